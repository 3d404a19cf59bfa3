"""Layerwise decay: each layer's rate, in the optimizer and in the weights of embedding rows that only decay."""

import re

import pytest
import torch

from tuneoff.errors import ModelError
from tuneoff.running import compute_study
from tuneoff.training.loop import train
from tuneoff.training.state import TrainingState

LAYER = re.compile(r"\.(?:layer|layers|h)\.(\d+)\.")
ABOVE = ("head.", "backbone.norm.", "backbone.ln_f.")
FAMILIES = ["bert", "roberta", "distilbert", "qwen3", "gemma3", "llama", "gpt2"]


def expected(name, decay, depth=2):
    """The definition of Sun et al. 2019, section 5.3.3: the top layer's rate times the factor a layer down."""
    if name.startswith(ABOVE):
        return 1.0
    layer = LAYER.search(name)
    return decay ** (depth - 1 - int(layer[1])) if layer else decay**depth


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_has_the_rate_of_its_layer(family, make_job):
    job = make_job("layerwise-decay", family=family, steps=1, learning_rate=1e-3, decay=0.5)
    optimizer = job.technique.optimizer(job.trained, job.optimization)
    train(job, TrainingState(), optimizer)
    rates = {id(value): group["lr"] for group in optimizer.param_groups for value in group["params"]}
    found = {name: rates[id(value)] for name, value in job.trained.items()}
    assert found == pytest.approx({name: 1e-3 * expected(name, 0.5) for name in found})
    assert {value / 1e-3 for value in found.values()} == {1.0, 0.5, 0.25}


def test_without_decay_it_is_full_fine_tuning(make_job):
    ends = []
    for name, settings in (("full", {}), ("layerwise-decay", {"decay": 1.0})):
        job = make_job(name, steps=3, learning_rate=1e-3, **settings)
        train(job, TrainingState(), job.technique.optimizer(job.trained, job.optimization))
        ends.append(job.trained)
    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


def test_embedding_rows_that_no_text_uses_decay_as_in_the_whole_table(study, listener, tmp_path):
    """The table is cut down to the rows in use, and trained at the lowest rate."""
    entry = {"name": "layerwise-decay", "decay": 0.5, "learning_rate": 1e-2, "weight_decay": 0.5}
    weights = []
    for compact in (True, False):
        read = study([entry], compact_vocabulary=compact)
        store = compute_study(read, tmp_path / f"out-{compact}", listener())
        weights.append(stored(store)["backbone.embeddings.word_embeddings.weight"])
    torch.testing.assert_close(*weights, rtol=1e-4, atol=1e-6)


def stored(store):
    from safetensors.torch import load_file

    (record,) = store.records()
    return load_file(store.weights(record.address))


def test_layers_that_are_not_known_are_an_error_that_says_so(load, make_technique, monkeypatch):
    monkeypatch.setattr("tuneoff.models.depth.layer_list", lambda backbone: None)
    with pytest.raises(ModelError, match="layerwise-decay: which of this model's modules are its layers"):
        make_technique("layerwise-decay").apply(load("bert"))
