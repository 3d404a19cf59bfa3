"""The list of layers, what comes after it, the lowest layer trained, and running without those below."""

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModel

from tuneoff.errors import ModelError
from tuneoff.models.classifier import build_meta
from tuneoff.models.depth import (
    caught_inputs,
    drop_below,
    final_norm,
    layer_list,
    lowest_layer,
    replace_input,
    top_layers,
    without_layers,
)

# family: the list of layers, the final norm
KNOWN = {
    "bert": ("encoder.layer", None),
    "electra": ("encoder.layer", None),
    "distilbert": ("transformer.layer", None),
    "roberta": ("encoder.layer", None),
    "xlm-roberta": ("encoder.layer", None),
    "qwen3": ("layers", "norm"),
    "gemma3": ("layers", "norm"),
    "llama": ("layers", "norm"),
    "gpt2": ("h", "ln_f"),
    "t5": ("encoder.block", "encoder.final_layer_norm"),
}
SMALL = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}
# Other architectures, from transformers' own configs: what is found there.
OTHERS = {
    "modernbert": ("layers", "final_norm"),
    "deberta-v2": ("encoder.layer", None),
    "roberta-prelayernorm": ("encoder.layer", "LayerNorm"),
    "xlm-roberta-xl": ("encoder.layer", "encoder.LayerNorm"),
    "opt": ("decoder.layers", "decoder.final_layer_norm"),
    "gpt_neox": ("layers", "final_layer_norm"),
    "mpnet": ("encoder.layer", None),
    "olmo2": ("layers", "norm"),
    "mixtral": ("layers", "norm"),
    "albert": None,  # one layer, run again and again
    "xlm": None,  # a list for each part of its layers
}
IDS = torch.tensor([[5, 9, 11, 7], [6, 12, 13, 0]])
MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])


@pytest.mark.parametrize("family", KNOWN)
@pytest.mark.parametrize("head", ["linear", "native"])
def test_the_layers_and_the_norm_after_them_are_found_in_every_family(resolve, family, head):
    if family == "t5" and head == "native":
        pytest.skip("it has no class of its own for classification")
    backbone = build_meta(resolve(family, head=head), 2).backbone
    prefix = f"{backbone.base_model_prefix}." if head == "native" else ""
    path, norm = KNOWN[family]
    found, after = layer_list(backbone), final_norm(backbone)
    assert found[0] == prefix + path and len(found[1]) == 2
    assert (after and after[0]) == (norm and prefix + norm)


@pytest.mark.parametrize("kind", OTHERS)
def test_they_are_found_in_other_architectures_or_not_guessed(kind):
    config = AutoConfig.for_model(
        kind, **SMALL | ({"n_layers": 3, "emb_dim": 32, "n_heads": 4} if kind == "xlm" else {})
    )
    with torch.device("meta"):
        backbone = AutoModel.from_config(config)
    found, after = layer_list(backbone), final_norm(backbone)
    assert (found and (found[0], after and after[0])) == OTHERS[kind]


def test_without_a_config_the_longest_list_of_one_class_is_taken():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.mixed = nn.ModuleList([nn.Linear(1, 1), nn.ReLU(), nn.ReLU(), nn.ReLU()])
            self.blocks = nn.ModuleList([nn.ModuleList([nn.ReLU()] * 9) for _ in range(3)])

    assert layer_list(Own())[0] == "blocks"
    assert layer_list(nn.Linear(1, 1)) is None and final_norm(nn.Linear(1, 1)) is None


def test_the_top_layers_are_numbered_as_in_the_model_and_too_many_are_refused(resolve):
    backbone = build_meta(resolve("qwen3"), 2).backbone
    assert top_layers(backbone, 1, "x") == {1: backbone.layers[1]} and list(top_layers(backbone, 2, "x")) == [0, 1]
    with pytest.raises(ModelError, match="x: layers is 3, but the model has 2"):
        top_layers(backbone, 3, "x")
    with pytest.raises(ModelError, match="x: which of this model's modules are its layers is not known"):
        top_layers(nn.Linear(1, 1), 1, "x")


@pytest.mark.parametrize("family", [family for family in KNOWN if family != "t5"])
def test_the_lowest_layer_is_that_of_the_lowest_name(resolve, family):
    classifier = build_meta(resolve(family), 2)
    names = [name for name, _ in classifier.named_parameters()]
    path, norm = KNOWN[family]
    within = [[name for name in names if name.startswith(f"backbone.{path}.{number}.")] for number in (0, 1)]
    after = [name for name in names if norm and name.startswith(f"backbone.{norm}.")]
    before = [name for name in names if name not in {*within[0], *within[1], *after, "head.weight"}]
    assert lowest_layer(classifier, ["head.weight", *after]) == lowest_layer(classifier, []) == 1
    assert lowest_layer(classifier, [*within[1], *after, "head.weight"]) == 1
    assert all(lowest_layer(classifier, [*within[1], name]) == 0 for name in (*within[0], *before))


def test_a_native_head_is_above_all_layers(resolve):
    classifier = build_meta(resolve("bert", head="native"), 2)
    assert lowest_layer(classifier, classifier.head_parameters()) == 1
    pooler = [name for name in classifier.backbone_parameters() if "pooler" in name]
    assert pooler and lowest_layer(classifier, pooler) == 0  # what stands elsewhere may be read anywhere


# Running without the lower layers


@pytest.mark.parametrize("family", [family for family in KNOWN if family != "t5"])
def test_from_what_a_layer_is_given_the_rest_gives_the_same(make_job, family):
    classifier = make_job(family=family, double=True).classifier.eval()
    names = [name for name, _ in classifier.named_parameters()]
    layers = layer_list(classifier.backbone)[1]
    with torch.no_grad():
        with caught_inputs(layers[1]) as given:
            whole = classifier(IDS, MASK)
        undo = drop_below(classifier, 1, None)
        hook = replace_input(layers[1], lambda _: given[0])
        torch.testing.assert_close(classifier(IDS, MASK), whole, rtol=0, atol=0)
        kept = [name for name, _ in classifier.named_parameters()]
        hook.remove()
        undo()
        torch.testing.assert_close(classifier(IDS, MASK), whole, rtol=0, atol=0)
    assert [name for name, _ in classifier.named_parameters()] == names
    path = KNOWN[family][0]
    table = [name for name in names if name not in kept and f"backbone.{path}." not in name]
    assert kept == [name for name in names if name in kept] and len(table) == 1
    assert not [name for name in kept if name.startswith(f"backbone.{path}.0.")]


def test_layers_left_out_hand_on_and_come_back(make_job):
    classifier = make_job(family="qwen3").classifier.eval()
    layers = classifier.backbone.layers
    real = list(layers)
    with torch.no_grad(), caught_inputs(real[0]) as embedded:
        classifier(IDS, MASK)
        with without_layers(layers, range(1, 2), None), caught_inputs(layers[1]) as given:
            classifier(IDS, MASK)
        with without_layers(layers, range(2), None), caught_inputs(layers[1]) as nothing:
            classifier(IDS, MASK)
    assert list(layers) == real and len(given) == 1
    assert torch.equal(nothing[0], embedded[0]) and not torch.equal(given[0], embedded[0])
    with pytest.raises(KeyError), without_layers(layers, range(2), None):
        raise KeyError
    assert list(layers) == real


def test_a_layer_that_returns_a_tuple_is_replaced_by_one(make_job):
    """As transformers' layers did for long, and custom code still does."""
    layers = nn.ModuleList([nn.Identity(), nn.Identity()])
    hidden = torch.ones(1)
    with without_layers(layers, range(1), 2):
        assert layers[0](hidden) == (hidden, None) == layers[0](hidden_states=hidden)


def test_what_a_model_reads_of_a_layer_is_still_there():
    layers = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])
    layers[0].attention_type = "sliding"
    with without_layers(layers, range(1), None):
        assert layers[0].attention_type == "sliding" and layers[0].in_features == 2
        assert not list(layers[0].parameters())
