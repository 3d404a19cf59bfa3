"""Gradual unfreezing: what is trained when, where dropout is on then, and that a stopped stage goes on alike."""

import re

import pytest
import torch
from safetensors.torch import load_file

from tuneoff.running import compute_study
from tuneoff.training.checkpoint import restore, save
from tuneoff.training.loop import train
from tuneoff.training.state import Interrupted, TrainingState

TOP, LOW = re.compile(r"\.(layer|layers|h)\.1\."), re.compile(r"\.(layer|layers|h)\.0\.")
ABOVE = ("head.", "backbone.norm.", "backbone.ln_f.")


def level(name):
    if name.startswith(ABOVE):
        return "above"
    return "top" if TOP.search(name) else "low" if LOW.search(name) else "before"


@pytest.mark.parametrize("family", ["bert", "distilbert", "qwen3", "gpt2"])
def test_layers_join_from_the_top_at_even_distances_within_the_span(family, applied):
    technique, _, trained = applied("gradual-unfreezing", family, span=0.5)
    names = list(trained)
    at = [{level(name) for name in technique.trainable_at(step, 12, names)} for step in range(12)]
    assert at[:2] == [{"above"}] * 2  # three joinings within six steps
    assert at[2:4] == [{"above", "top"}] * 2 and at[4:6] == [{"above", "top", "low"}] * 2
    assert at[6:] == [{"above", "top", "low", "before"}] * 6
    assert set(technique.trainable_at(6, 12, names)) == set(names)


def test_at_each_step_only_what_has_joined_moves_and_drops_out(make_job):
    job = make_job("gradual-unfreezing", steps=8, learning_rate=1e-3, span=0.75)
    job.budget = type(job.budget)(8, 4, 100, "test")
    seen, last = [], {}

    def note(state, optimizer, now):
        now = {name: value.detach().clone() for name, value in job.trained.items()}
        moved = {level(name) for name, value in now.items() if last and not torch.equal(value, last[name])}
        seen.append(moved)
        last.update(now)

    dropped = []
    real = job.technique.train_mode
    job.technique.train_mode = lambda classifier: (real(classifier), dropped.append(loud(classifier)))
    job.save = note
    train(job, TrainingState(), job.technique.optimizer(job.trained, job.optimization))
    assert seen[1:3] == [{"above"}] * 2 and seen[3:5] == [{"above", "top"}] * 2
    assert seen[5:7] == [{"above", "top", "low"}] * 2 and seen[7] == {"above", "top", "low", "before"}
    assert dropped[::2] == [set(), {"top"}, {"top", "low"}, {"top", "low", "before"}] and dropped[1::2] == dropped[::2]


def loud(classifier):
    parts = (name for name, module in classifier.named_modules() if isinstance(module, torch.nn.Dropout))
    return {level(f"{name}.") for name in parts if classifier.get_submodule(name).training}


def test_stopped_and_resumed_it_ends_bit_for_bit_alike(make_job, tmp_path):
    whole = make_job("gradual-unfreezing", steps=6, learning_rate=1e-3)
    train(whole, TrainingState(), whole.technique.optimizer(whole.trained, whole.optimization))
    first = make_job("gradual-unfreezing", steps=6, learning_rate=1e-3)
    path = tmp_path / "checkpoint.safetensors"
    first.stop = lambda: path.exists() or state.step == 2
    first.save = lambda state, optimizer, now: save(path, "key", first, state, optimizer) if now else None
    state = TrainingState()
    with pytest.raises(Interrupted):
        train(first, state, first.technique.optimizer(first.trained, first.optimization))
    second = make_job("gradual-unfreezing", steps=6, learning_rate=1e-3)
    optimizer = second.technique.optimizer(second.trained, second.optimization)
    state = restore(path, "key", second, optimizer)
    assert state.step == 2
    train(second, state, optimizer)
    assert all(torch.equal(value, second.trained[name]) for name, value in whole.trained.items())


def test_embedding_rows_that_no_text_uses_decay_only_from_where_the_table_joins(study, listener, tmp_path):
    entry = {"name": "gradual-unfreezing", "learning_rate": 1e-2, "weight_decay": 0.5}
    tables = []
    for compact in (True, False):
        store = compute_study(study([entry], compact_vocabulary=compact), tmp_path / f"out-{compact}", listener())
        (record,) = store.records()
        tables.append(load_file(store.weights(record.address))["backbone.embeddings.word_embeddings.weight"])
    torch.testing.assert_close(*tables, rtol=1e-4, atol=1e-6)
