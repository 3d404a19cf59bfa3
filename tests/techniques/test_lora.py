"""LoRA: what it trains, that it is peft's, and what it refuses."""

import math
import re
import warnings

import pytest
import torch
from peft import LoraConfig, get_peft_model

from tuneoff.errors import ModelError

FAMILIES = ["bert", "roberta", "distilbert", "qwen3", "gemma3", "llama", "gpt2"]
TARGETS = {
    "bert": ["query", "value"],
    "roberta": ["query", "value"],
    "distilbert": ["q_lin", "v_lin"],
    "qwen3": ["q_proj", "v_proj"],
    "gemma3": ["q_proj", "v_proj"],
    "llama": ["q_proj", "v_proj"],
    "gpt2": ["c_attn"],
}
# peft takes a GPT-2 for one with Linear layers unless it is told, and says so.
TOLD = {"gpt2": {"fan_in_fan_out": True}}


def peft_model(backbone, family):
    config = LoraConfig(r=8, lora_alpha=32, lora_dropout=0.1, target_modules=TARGETS[family], **TOLD.get(family, {}))
    return get_peft_model(backbone, config)


@pytest.mark.parametrize("family", FAMILIES)
def test_it_trains_the_adapters_of_queries_and_values_and_the_head(family, applied, bare):
    _, _, trained = applied("lora", family)
    layers = [name for name, _ in bare(family).named_modules() if name.rpartition(".")[2] in TARGETS[family]]
    expected = {f"backbone.{layer}.lora_{part}.default.weight" for layer in layers for part in "AB"}
    assert len(layers) == 2 * len(TARGETS[family])
    assert trained.keys() == expected | {"head.weight"}


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # peft asks for it
@pytest.mark.parametrize("family", FAMILIES)
def test_it_is_pefts_own(family, applied, bare, batch):
    """As many numbers are trained, and the same numbers in peft's wrapper give the same hidden states."""
    _, classifier, trained = applied("lora", family)
    theirs = peft_model(bare(family), family).eval()
    ours = {name: value for name, value in trained.items() if ".lora_" in name}
    assert sum(value.numel() for value in ours.values()) == theirs.get_nb_trainable_parameters()[0]
    places = dict(theirs.named_parameters())
    with torch.no_grad():
        for name, value in ours.items():
            places["base_model.model." + name.removeprefix("backbone.")].copy_(value)
        ids, mask = batch
        inputs = classifier._inputs(ids, mask)
        expected = theirs(**inputs).last_hidden_state[mask.bool()]
        found = classifier.backbone(**inputs).last_hidden_state[mask.bool()]
        plain = bare(family).eval()(**inputs).last_hidden_state[mask.bool()]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert (found - plain).abs().max() > 1e-3  # the adapters do something


def test_it_starts_as_the_model_that_it_changes(load, make_technique, batch):
    classifier = load("qwen3")
    before = classifier(*batch)
    make_technique("lora").apply(classifier)
    assert torch.equal(before, classifier.eval()(*batch))


def test_the_product_is_scaled_by_alpha_over_rank(load, make_technique):
    """The definition (Hu et al. 2021, equation 3), on one layer."""
    classifier = load("bert")
    make_technique("lora", rank=4, alpha=6, dropout=0.0, target_modules=["query"]).apply(classifier)
    layer = classifier.backbone.encoder.layer[0].attention.self.query
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    assert a.shape == (4, 32) and b.shape == (32, 4)
    with torch.no_grad():
        b.normal_(generator=torch.Generator().manual_seed(0))
        x = torch.randn(5, 32, generator=torch.Generator().manual_seed(1))
        expected = torch.nn.functional.linear(x, layer.base_layer.weight, layer.base_layer.bias) + 6 / 4 * x @ a.T @ b.T
        torch.testing.assert_close(layer(x), expected)


def test_dropout_is_that_of_the_adapters_alone_and_as_strong_as_asked(load, make_technique):
    classifier, technique = load("bert"), make_technique("lora", dropout=0.3)
    technique.apply(classifier)
    technique.train_mode(classifier)
    on = {
        name: module.p
        for name, module in classifier.named_modules()
        if isinstance(module, torch.nn.Dropout) and module.training
    }
    assert len(on) == 4 and set(on.values()) == {0.3} and all(".lora_dropout." in name for name in on)


@pytest.mark.parametrize("family", ["bert", "qwen3", "gpt2"])
def test_on_a_bf16_base_what_is_trained_is_fp32_and_the_base_stays(family, applied, batch):
    technique, classifier, trained = applied("lora", family, dtype=torch.bfloat16)
    assert {value.dtype for value in trained.values()} == {torch.float32}
    frozen = {value.dtype for name, value in classifier.named_parameters() if name not in trained}
    assert frozen == {torch.bfloat16}
    technique.train_mode(classifier)
    logits = classifier(*batch)
    logits.sum().backward()
    assert logits.dtype == torch.float32
    assert all(value.grad.dtype == torch.float32 and value.grad.isfinite().all() for value in trained.values())
    technique.merge(classifier)
    assert {value.dtype for name, value in classifier.named_parameters() if name != "head.weight"} == {torch.bfloat16}


def test_other_layers_can_be_chosen(load, make_technique):
    classifier = load("qwen3")
    make_technique("lora", target_modules=["gate_proj", "layers.1.self_attn.o_proj"]).apply(classifier)
    adapted = {name.partition(".lora_A")[0] for name, _ in classifier.named_parameters() if ".lora_A" in name}
    assert adapted == {
        "backbone.layers.0.mlp.gate_proj",
        "backbone.layers.1.mlp.gate_proj",
        "backbone.layers.1.self_attn.o_proj",
    }


@pytest.mark.parametrize(
    "targets", [["qeury"], ["query", "vlaue"], ["LayerNorm"], ["embeddings"], ["layer.9.attention.self.query"]]
)
def test_a_layer_that_there_is_not_is_refused_with_those_that_there_are(load, make_technique, targets):
    with pytest.raises(ModelError) as caught:
        make_technique("lora", target_modules=targets).apply(load("bert"))
    assert targets[-1] in str(caught.value) and "linear layers are dense, key, query, value" in str(caught.value)


def test_nothing_is_warned_of(load, make_technique):
    """GPT-2 keeps its weights transposed, which peft would remark on."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_technique("lora").apply(load("gpt2"))


def test_the_first_numbers_are_pefts_and_depend_on_the_seed(load, make_technique):
    from tuneoff.training.build import apply_technique

    first, second = (apply_technique(make_technique("lora"), load("bert"), seed) for seed in (1, 2))
    for name, value in first.items():
        if "lora_A" in name:
            bound = 1 / math.sqrt(32)  # uniform, as torch's Linear: Kaiming with a = sqrt(5)
            assert 0.5 * bound < value.abs().max() <= bound and not torch.equal(value, second[name])
        elif "lora_B" in name:
            assert not value.any()


@pytest.mark.parametrize("family", FAMILIES)
def test_adapters_may_be_in_the_top_layers_alone(family, applied):
    _, _, every = applied("lora", family)
    _, classifier, top = applied("lora", family, layers=1)
    assert top.keys() == {name for name in every if re.search(r"\.1\.", name) or name == "head.weight"}
    assert len(top) - 1 == 2 * len(TARGETS[family])
    _, _, both = applied("lora", family, layers=2)
    assert both.keys() == every.keys() and classifier.backbone.peft_config


def test_top_layers_go_with_chosen_projections(applied):
    _, _, trained = applied("lora", "bert", layers=1, target_modules=["dense"])
    found = {name.partition(".lora_")[0] for name in trained if name != "head.weight"}
    layer = "backbone.encoder.layer.1"
    assert found == {f"{layer}.{part}.dense" for part in ("attention.output", "intermediate", "output")}


def test_more_layers_than_there_are_is_an_error_that_says_so(load, make_technique):
    with pytest.raises(ModelError, match="lora: layers is 3, but the model has 2"):
        make_technique("lora", layers=3).apply(load("bert"))
