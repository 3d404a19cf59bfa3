"""Which layers get adapters of any type of peft, and what is said where none is left."""

import pytest

from tests.techniques.of_peft import complaints, technique
from tuneoff.errors import ModelError
from tuneoff.techniques import get
from tuneoff.training.build import apply_technique


@pytest.mark.parametrize(
    ("fields", "layers"),
    [
        ({"target_modules": ["query"]}, ["0.attention.self.query", "1.attention.self.query"]),
        ({"target_modules": ["query"], "layers_to_transform": [1]}, ["1.attention.self.query"]),
        ({"target_modules": r".*layer\.0\.(intermediate|output)\.dense"}, ["0.intermediate.dense", "0.output.dense"]),
        ({"layers_to_transform": [1]}, ["1.attention.self.query", "1.attention.self.value"]),
        ({"target_modules": ["dense"], "exclude_modules": ["intermediate.dense"], "layers_to_transform": 0}, None),
    ],
)
def test_layers_are_chosen_as_peft_chooses_them(fields, layers, load):
    trained = apply_technique(technique("LORA", **fields), load("bert"), 1)
    found = sorted({key.partition(".lora_")[0] for key in trained if key != "head.weight"})
    layers = layers or ["0.attention.output.dense", "0.output.dense"]
    assert found == [f"backbone.encoder.layer.{layer}" for layer in layers]


@pytest.mark.parametrize("family", ["bert", "qwen3", "gpt2"])
@pytest.mark.parametrize("fields", [{"type": "VERA", "r": 4}, {"type": "LORA"}])
def test_layers_are_chosen_by_number_where_no_names_are_given(fields, family, load):
    """Also where a type's technique gives whole names, and where names begin with the list of layers."""
    make = get("peft").settings_class
    every = get("peft")(make(peft=fields)).targets(load(family))
    for number in (0, 1):
        one = get("peft")(make(peft=fields | {"layers_to_transform": [number]})).targets(load(family))
        assert one.keys() == {name for name in every if f".{number}." in f".{name}"}
        assert 2 * len(one) == len(every)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        (
            {"layers_to_transform": [99]},
            r"no layer is left with `layers_to_transform: \[99\]`; the linear layers are dense",
        ),
        ({"layers_to_transform": [1, 7]}, r"there is no layer 7 with such modules"),
        ({"exclude_modules": ["query", "value"]}, r"no layer is left with `exclude_modules: \['query', 'value'\]`"),
    ],
)
def test_what_leaves_no_layer_is_named(fields, why, load):
    with pytest.raises(ModelError, match=why):
        apply_technique(technique("LORA", **fields), load("bert"), 0)


def test_all_linear_leaves_a_classs_own_head_out(native, make_technique):
    from tuneoff.models.classifier import init_head, load_classifier

    classifier = load_classifier(native("roberta"), ["a", "b"], device="cpu")
    init_head(classifier, 0)
    trained = apply_technique(technique("LORA", target_modules="all-linear"), classifier, 0)
    adapted = {key.partition(".lora_")[0] for key in trained if ".lora_" in key}
    assert len(adapted) == 2 * 6 and not [key for key in adapted if "classifier" in key]
    assert {key for key in trained if ".lora_" not in key} == set(classifier.head_parameters())


@pytest.mark.parametrize("fields", [{"target_modules": ["qeury"]}, {"target_modules": r"nothing\..*"}])
def test_layers_that_there_are_not_are_refused_with_those_that_there_are(fields, load):
    with pytest.raises(ModelError, match=r"dense.*key.*query.*value"):
        apply_technique(technique("LORA", **fields), load("bert"), 0)


def test_a_pattern_that_is_none_is_told():
    assert "`target_modules`" in complaints(type="lora", target_modules="(")
