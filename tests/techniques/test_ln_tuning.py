"""LN-tuning: all normalizations, not those of peft's list."""

import pytest
import torch

from tuneoff.errors import ModelError
from tuneoff.training.build import apply_technique


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "qwen3", "gemma3", "llama", "gpt2", "t5"])
def test_every_normalization_is_trained_and_nothing_else(family, load, make_technique):
    plain = load(family)
    expected = {
        f"backbone.{name}.ln_tuning_layers.default.{part}"
        for name, module in plain.backbone.named_modules()
        if "norm" in type(module).__name__.lower()
        for part, _ in module.named_parameters(recurse=False)
    }
    trained = apply_technique(make_technique("ln-tuning"), load(family), 1)
    assert trained.keys() == expected | {"head.weight"}
    assert len(expected) >= 4


def test_in_qwen3_these_are_nine_and_pefts_list_has_two(load, make_technique):
    trained = apply_technique(make_technique("ln-tuning"), load("qwen3"), 1)
    names = [name.partition(".ln_tuning")[0] for name in trained if name != "head.weight"]
    kinds = {name.rpartition(".")[2] for name in names}
    assert len(names) == 2 * 4 + 1
    assert kinds == {"input_layernorm", "post_attention_layernorm", "q_norm", "k_norm", "norm"}


def test_the_top_layers_alone(load, make_technique):
    trained = apply_technique(make_technique("ln-tuning", layers=1), load("bert"), 1)
    assert all(name.startswith("backbone.encoder.layer.1.") for name in trained if name != "head.weight")
    assert len(trained) == 1 + 4


def test_without_weights_there_is_nothing_to_train(load, make_technique):
    classifier = load("bert")
    for name, module in list(classifier.backbone.named_modules()):
        if isinstance(module, torch.nn.LayerNorm):
            parent, _, last = name.rpartition(".")
            setattr(classifier.backbone.get_submodule(parent), last, torch.nn.LayerNorm(32, elementwise_affine=False))
    with pytest.raises(ModelError, match="no normalization with weights"):
        make_technique("ln-tuning").apply(classifier)
