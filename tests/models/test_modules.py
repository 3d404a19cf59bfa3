import pytest
import torch

from tuneoff.errors import ModelError
from tuneoff.models.classifier import load_classifier
from tuneoff.models.modules import (
    block_size,
    chosen_layers,
    feed_forward_names,
    key_value_names,
    linear_layers,
    norm_layers,
    sizes,
)

LINEAR = {"bert": 6, "roberta": 6, "distilbert": 6, "qwen3": 7, "gemma3": 7, "llama": 7, "gpt2": 4, "t5": 6}


@pytest.fixture
def load(resolve):
    return lambda family: load_classifier(resolve(family), ["a", "b"], device="cpu")


@pytest.mark.parametrize("family", LINEAR)
def test_all_linear_layers_of_both_layers_are_found_and_nothing_else(family, load):
    classifier = load(family)
    found = linear_layers(classifier)
    assert len(found) == 2 * LINEAR[family]
    for name, layer in found.items():
        taken, given = sizes(layer)
        assert layer(torch.zeros(1, 3, taken)).shape == (1, 3, given), name


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert"])
def test_a_classs_own_head_is_no_layer_of_the_backbone(family, native):
    classifier = load_classifier(native(family), ["a", "b"], device="cpu")
    inside = {f"backbone.{name}.weight" for name in linear_layers(classifier)}
    assert not inside & classifier.head_parameters().keys()
    pooler = family == "bert"  # it belongs to the base model
    assert len(inside) == 2 * LINEAR[family] + pooler


def test_names_end_in_whole_parts(load):
    classifier = load("bert")
    assert len(chosen_layers(classifier, ["output.dense"], None, "x")) == 4
    assert list(chosen_layers(classifier, ["query"], 1, "x")) == ["encoder.layer.1.attention.self.query"]
    with pytest.raises(ModelError, match=r"x: target_modules \['uery'\] do not fit; the linear layers are dense, key"):
        chosen_layers(classifier, ["uery"], None, "x")
    with pytest.raises(ModelError, match=r"x: layers is 3, but the model has 2"):
        chosen_layers(classifier, None, 3, "x")
    with pytest.raises(ModelError, match="x: no layer is left"):
        chosen_layers(classifier, ["layer.0.attention.self.query"], 1, "x")


def test_roles_are_told_by_names():
    bert = ["a.self.query", "a.self.key", "a.self.value", "attention.output.dense", "inner.dense", "layer.output.dense"]
    assert key_value_names(bert) == ["a.self.key", "a.self.value"]
    assert feed_forward_names(bert) == ["layer.output.dense"]
    assert key_value_names(["h.attn.c_attn", "h.mlp.c_fc"]) == ["h.attn.c_attn"]
    assert feed_forward_names(["h.attn.c_proj", "h.mlp.c_proj"]) == ["h.mlp.c_proj"]
    assert key_value_names(["one", "two"]) == feed_forward_names(["one", "two"]) == []


@pytest.mark.parametrize(
    ("numbers", "asked", "at_most", "found"),
    [
        ([384], None, 32, 32),
        ([384, 1536], None, 100, 96),
        ([30, 45], None, 32, 15),
        ([30], None, 5, 2),
        ([7], None, 4, 1),
    ],
)
def test_a_block_divides_every_size_and_is_even_if_it_can(numbers, asked, at_most, found):
    assert block_size(numbers, asked, at_most, "x") == found
    assert all(number % found == 0 for number in numbers)


def test_a_block_that_leaves_a_rest_is_refused():
    assert block_size([384, 96], 48, 4, "x") == 48
    with pytest.raises(ModelError, match=r"x: 48 does not divide all of \[64, 96\]"):
        block_size([96, 64], 48, 4, "x")


def test_norms_are_those_with_weights(load):
    assert len(norm_layers(load("bert"))) == 5 and len(norm_layers(load("qwen3"))) == 9
