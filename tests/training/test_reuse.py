"""Beginning at the lowest trained layer gives what the whole model gives, and is done only where it does."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModel

from tuneoff.models.activation_cache import cached_hidden
from tuneoff.models.depth import layer_list
from tuneoff.models.resolve import resolve_model
from tuneoff.study import ModelSpec
from tuneoff.techniques.top_layers import TopLayers
from tuneoff.training.device import autocast
from tuneoff.training.hidden_inputs import HiddenInputs, attended
from tuneoff.training.loop import train
from tuneoff.training.reuse import find_cut, fixed_layers, reuse_hidden
from tuneoff.training.state import TrainingState

FAMILIES = ["bert", "electra", "distilbert", "roberta", "xlm-roberta", "qwen3", "gemma3", "llama", "gpt2"]
DEPTH = {"distilbert": "n_layers", "gpt2": "n_layer", "t5": "num_layers"}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNEOFF_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def deep(tmp_path, tiny_config, tiny_tokenizer):
    """Return a function from a family to a tiny model of four layers, resolved."""

    def resolved(family):
        config = tiny_config(family, **{DEPTH.get(family, "num_hidden_layers"): 4})
        kind = {"qwen3": "end", "gemma3": "start", "llama": "start", "gpt2": "plain"}
        kind |= dict.fromkeys(["roberta", "xlm-roberta", "t5"], "roberta")
        with torch.random.fork_rng():
            torch.manual_seed(0)
            AutoModel.from_config(config).save_pretrained(tmp_path / family)
        tiny_tokenizer(kind.get(family, "bert")).save_pretrained(tmp_path / family)
        return resolve_model(ModelSpec(id=str(tmp_path / family)), need_weights=True)

    return resolved


def place(notes=None, precision="fp32"):
    """A workplace as far as it is needed here: its cache, with one key."""
    return SimpleNamespace(
        accelerator=SimpleNamespace(device=torch.device("cpu")),
        precision=precision,
        tokenize_seconds=0.0,
        progress=lambda *_: None,
        hidden=lambda layer, ancestors, shapes, dtype, compute: cached_hidden(
            f"layer-{layer}", shapes, dtype, compute, (notes if notes is not None else []).append
        ),
    )


def reuse(job, **changes):
    return reuse_hidden(place(**changes), job.technique, job.classifier, job.inputs, [])


def history_of(job):
    state = TrainingState()
    train(job, state, job.technique.optimizer(job.trained, job.optimization))
    return [row["loss"] for row in state.history]


@pytest.mark.parametrize(
    ("family", "technique", "budget"),
    [(family, "top-layers", 20) for family in FAMILIES]
    + [(family, "lora", 10_000) for family in ("bert", "distilbert", "roberta", "qwen3", "gemma3", "gpt2")],
)
def test_twenty_steps_give_the_same_losses_and_weights(make_job, deep, family, technique, budget):
    settings = {"layers": 2, "learning_rate": 1e-3} | ({"dropout": 0.0} if technique == "lora" else {})
    settings |= {"family": family, "model": deep(family), "double": True, "dropout": False, "steps": 20}
    plain, other = (make_job(technique, budget=budget, **settings) for _ in range(2))
    other.inputs = reuse(other)
    assert isinstance(other.inputs, HiddenInputs) and other.inputs.states.computed_now
    np.testing.assert_allclose(history_of(plain), history_of(other), rtol=1e-9)
    assert plain.trained.keys() == other.trained.keys()
    for name, value in plain.trained.items():
        if "key.bias" in name or "k_lin.bias" in name:
            continue  # its gradient is zero in theory, and AdamW makes steps of its rounding
        assert (value - other.trained[name]).norm() <= 1e-9 * value.norm(), name


def test_dropout_above_is_drawn_as_in_the_whole(make_job, deep):
    plain, other = (make_job("top-layers", model=deep("bert"), layers=1, steps=4) for _ in range(2))
    still = make_job("top-layers", model=deep("bert"), layers=1, steps=4, dropout=False)
    other.inputs = reuse(other)
    expected = history_of(plain)
    np.testing.assert_allclose(history_of(other), expected, rtol=1e-4)
    assert abs(history_of(still)[1] - expected[1]) > 1e-3


def test_the_lower_layers_and_the_table_are_gone_and_names_stay(make_job, deep):
    job = make_job("top-layers", model=deep("bert"), layers=1)
    before = {name for name, _ in job.classifier.named_parameters()}
    reuse(job)
    after = {name for name, _ in job.classifier.named_parameters()}
    assert after < before and job.trained.keys() <= after
    gone = ("backbone.encoder.layer.0.", "backbone.encoder.layer.1.", "backbone.encoder.layer.2.")
    assert before - after == {name for name in before if name.startswith((*gone, "backbone.embeddings.word_"))}


def test_what_is_kept_is_what_the_layer_is_given_for_each_text_alone(make_job, deep):
    job = make_job("top-layers", model=deep("qwen3"), layers=1, budget=20)
    whole = make_job("top-layers", model=deep("qwen3"), layers=1)
    inputs = reuse(job)
    rows = np.array([4, 0, 4])
    for row, found in zip(rows, inputs.hidden("train", rows), strict=True):
        ids = torch.from_numpy(whole.inputs.ids["train"][row].astype(np.int64))[None]
        with torch.no_grad():
            hidden = whole.classifier.eval().backbone(ids, output_hidden_states=True).hidden_states[3][0]
        torch.testing.assert_close(found, hidden, rtol=1e-4, atol=1e-5)


def test_the_second_to_ask_computes_no_token(make_job, deep, monkeypatch):
    """Another technique with the same lowest layer."""
    model = deep("bert")
    assert reuse(make_job("top-layers", model=model, layers=2)).states.computed_now
    monkeypatch.setattr("tuneoff.training.reuse.compute_hidden", None)
    assert not reuse(make_job("lora", model=model, layers=2)).states.computed_now


def test_half_precision_is_kept_as_the_layers_give_it(make_job, deep):
    """Under autocast; in bfloat16, as a model of that type has it, half the bytes."""
    first = reuse(make_job("top-layers", model=deep("qwen3"), layers=1), precision="bf16")
    job = make_job("top-layers", model=deep("qwen3"), layers=2)
    job.classifier.backbone.to(torch.bfloat16)
    second = reuse(job)
    assert first.states.file.tensors["train"].dtype == torch.float32
    assert second.states.file.tensors["train"].dtype == torch.bfloat16
    assert second.logits(job.classifier, "train", np.arange(3)).isfinite().all()


@pytest.mark.parametrize("family", FAMILIES)
def test_under_autocast_it_is_the_same_but_for_the_rounding_of_bf16(make_job, deep, family):
    settings = {"family": family, "model": deep(family), "layers": 2, "dropout": False, "steps": 2}
    plain, other = (make_job("top-layers", **settings) for _ in range(2))
    plain.autocast = other.autocast = autocast(torch.device("cpu"), "bf16")
    other.inputs = reuse(other, precision="bf16")
    assert isinstance(other.inputs, HiddenInputs)
    np.testing.assert_allclose(history_of(other), history_of(plain), rtol=0.05, atol=0.02)


# Where it is not done


class Looks(TopLayers):
    def data_pass(self, classifier, batches):
        pass


class Counts(TopLayers):
    def after_step(self, classifier, step):
        pass


class Noisy(TopLayers):
    def train_mode(self, classifier):
        classifier.train()


class Embeds(TopLayers):
    def apply(self, classifier):
        super().apply(classifier)
        classifier.backbone.get_input_embeddings().requires_grad_(True)


@pytest.mark.parametrize("technique", [Looks, Counts, Noisy, Embeds, "full"])
def test_a_technique_for_which_it_would_not_be_exact_is_computed_from_texts(make_job, deep, technique):
    job = make_job(technique, model=deep("bert"), **({} if technique == "full" else {"layers": 1}))
    before = list(job.classifier.modules())
    assert reuse(job) is None
    assert list(job.classifier.modules()) == before and not any(module.training for module in before)


def test_all_layers_trained_leave_nothing_to_keep(make_job):
    assert reuse(make_job("top-layers", layers=2)) is None and reuse(make_job("lora")) is None


def test_a_pooling_that_depends_on_the_batch_is_computed_from_texts(make_job):
    job = make_job("top-layers", layers=1)
    assert fixed_layers(job.technique, job.classifier) == 1
    job.classifier.pooling = "misindexed"
    assert fixed_layers(job.technique, job.classifier) == 0


def test_t5_whose_first_layer_gives_positions_to_all_is_not_cut(make_job, deep):
    job = make_job("top-layers", family="t5", model=deep("t5"), layers=1)
    layers = list(layer_list(job.classifier.backbone)[1])
    assert fixed_layers(job.technique, job.classifier) == 3 and reuse(job) is None
    assert list(layer_list(job.classifier.backbone)[1]) == layers


def test_something_trained_that_reaches_below_by_another_way_is_seen(make_job, deep):
    """Here a hook adds a trained bias, times nothing, to the embeddings."""
    job = make_job("top-layers", model=deep("bert"), layers=1)
    bias = job.trained["backbone.encoder.layer.3.output.dense.bias"]
    job.classifier.backbone.embeddings.register_forward_hook(lambda _layer, _args, output: output + 0 * bias)
    assert fixed_layers(job.technique, job.classifier) == 3
    assert find_cut(job.classifier.eval(), job.inputs, 3) is None


def test_a_layer_run_twice_is_not_cut(make_job, deep):
    job = make_job("top-layers", model=deep("qwen3"), layers=1)
    layers = job.classifier.backbone.layers
    assert find_cut(job.classifier.eval(), job.inputs, 3) is not None
    layers[2] = layers[3]
    assert find_cut(job.classifier.eval(), job.inputs, 3) is None


def test_an_architecture_that_reads_the_weights_of_a_lower_layer_is_not_cut(make_job, deep):
    job = make_job("top-layers", model=deep("gpt2"), layers=1)
    first = job.classifier.backbone.h
    job.classifier.backbone.h[3].register_forward_pre_hook(lambda *_: first[0].ln_1.weight.sum() and None)
    assert find_cut(job.classifier.eval(), job.inputs, 3) is None
    assert isinstance(first[0].ln_1, nn.LayerNorm)


def test_too_large_for_the_cache_the_texts_are_computed_and_it_is_said(make_job, deep, monkeypatch):
    monkeypatch.setenv("TUNEOFF_CACHE_LIMIT", "1 kB")
    notes = []
    job = make_job("top-layers", model=deep("bert"), layers=1)
    assert reuse(job, notes=notes) is None and len(notes) == 1 and "computed from the texts" in notes[0]
    assert history_of(job)


# Layouts


def test_texts_lie_first_in_their_rows_or_one_after_another():
    lengths = np.array([3, 1, 2])
    padded = attended(torch.Size([3, 4, 8]), lengths)
    assert padded.int().tolist() == [[1, 1, 1, 0], [1, 0, 0, 0], [1, 1, 0, 0]]
    assert attended(torch.Size([1, 6, 8]), lengths).tolist() == [[True] * 6]
    assert attended(torch.Size([1, 8, 8]), lengths).tolist() == [[True] * 6 + [False] * 2]
    for shape in [(2, 4, 8), (3, 2, 8), (1, 5, 8)]:
        with pytest.raises(ValueError, match="do not lie"):
            attended(torch.Size(shape), lengths)
