"""(IA)^3: the paper's places, by each architecture's names."""

import pytest
import torch

from tuneoff.errors import ModelError
from tuneoff.training.build import apply_technique

PLACES = {
    "bert": ["attention.self.key", "attention.self.value", "output.dense"],
    "roberta": ["attention.self.key", "attention.self.value", "output.dense"],
    "distilbert": ["attention.k_lin", "attention.v_lin", "ffn.lin2"],
    "qwen3": ["self_attn.k_proj", "self_attn.v_proj", "mlp.down_proj"],
    "gemma3": ["self_attn.k_proj", "self_attn.v_proj", "mlp.down_proj"],
    "llama": ["self_attn.k_proj", "self_attn.v_proj", "mlp.down_proj"],
    "gpt2": ["attn.c_attn", "mlp.c_proj"],
}


@pytest.mark.parametrize("family", PLACES)
def test_scales_are_on_keys_values_and_inner_activations(family, load, make_technique):
    classifier = load(family)
    trained = apply_technique(make_technique("ia3"), classifier, 1)
    found = {
        name.partition(".ia3_l")[0].partition("layer")[2].partition(".")[2] for name in trained if ".ia3_l" in name
    }
    ends = {name.partition(".ia3_l")[0] for name in trained if ".ia3_l" in name}
    assert found and len(ends) == 2 * len(PLACES[family])
    assert all(any(end.endswith(place) for place in PLACES[family]) for end in ends)
    assert not [end for end in ends if "attention.output" in end]
    for end in ends:
        layer = classifier.get_submodule(end)
        inner = any(end.endswith(place) for place in PLACES[family][-1:])
        assert layer.is_feedforward == inner
        taken, given = (layer.in_features, layer.out_features)
        assert layer.ia3_l["default"].numel() == (taken if inner else given)


def test_a_scale_multiplies_what_it_stands_on(load, make_technique):
    classifier = load("bert")
    apply_technique(make_technique("ia3"), classifier, 1)
    block = classifier.backbone.encoder.layer[0]
    x = torch.randn(5, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for layer in (block.attention.self.key, block.output.dense):
            layer.ia3_l["default"].uniform_(0.5, 2, generator=torch.Generator().manual_seed(0))
        key, out = block.attention.self.key, block.output.dense
        torch.testing.assert_close(key(x), key.base_layer(x) * key.ia3_l["default"].flatten())
        wide = torch.randn(5, 48, generator=torch.Generator().manual_seed(2))
        torch.testing.assert_close(out(wide), out.base_layer(wide * out.ia3_l["default"].flatten()))


def test_other_layers_can_be_chosen(load, make_technique):
    trained = apply_technique(make_technique("ia3", target_modules=["query"], layers=1), load("bert"), 1)
    assert {name for name in trained if name != "head.weight"} == {
        "backbone.encoder.layer.1.attention.self.query.ia3_l.default"
    }


def test_an_architecture_of_unknown_names_is_refused_with_its_layers(load, make_technique):
    classifier = load("bert")
    for layer in classifier.backbone.encoder.layer:
        layer.attention.self.odd = layer.attention.self.key
        del layer.attention.self.key
    with pytest.raises(ModelError, match=r"ia3: which layers give keys and values.*dense.*odd.*query"):
        make_technique("ia3").apply(classifier)
