"""What all adapters have in common, beside what holds for every technique."""

import pytest
import torch

from tuneoff.errors import ModelError
from tuneoff.techniques import get, names
from tuneoff.techniques.adapter import Adapter, adapters
from tuneoff.techniques.lora import Lora
from tuneoff.training.build import apply_technique

ADAPTERS = [name for name in names() if issubclass(get(name), Adapter)]


@pytest.mark.parametrize("name", ADAPTERS)
def test_under_bf16_autocast_what_is_trained_stays_fp32_and_its_gradients_are_finite(name, applied, batch):
    """As a GPU trains it."""
    technique, classifier, trained = applied(name, "bert")
    technique.train_mode(classifier)
    with torch.autocast("cpu", torch.bfloat16):
        logits = classifier(*batch)
    exact = classifier.eval()(*batch)
    technique.loss(logits, torch.tensor([0, 1, 2])).sum().backward()
    assert logits.dtype == torch.float32
    assert all(value.dtype == torch.float32 and value.grad.isfinite().all() for value in trained.values())
    if not any(value for key, value in technique.settings if "dropout" in key):
        assert (logits - exact).norm() < 0.1 * exact.norm()


@pytest.mark.parametrize("name", [name for name in ADAPTERS if "layers" in get(name).settings_class.model_fields])
def test_adapters_may_be_in_the_top_layers_alone(name, applied):
    _, classifier, trained = applied(name, "qwen3", layers=1)
    assert all(key.startswith("backbone.layers.1.") for key in trained if key != "head.weight")
    assert all(key.startswith("backbone.layers.1.") for key in adapters(classifier)) and len(trained) > 1


@pytest.mark.parametrize("name", ["lora", "dora", "pissa", "vera", "oft", "shira"])
def test_all_linear_layers_but_the_head_can_be_chosen(name, load, make_technique):
    classifier = load("qwen3")
    apply_technique(make_technique(name, target_modules="all-linear"), classifier, 1)
    assert len(adapters(classifier)) == 2 * 7


def test_a_program_is_not_compiled_for_boft(load, make_technique, monkeypatch):
    monkeypatch.setattr("torch.utils.cpp_extension.load", lambda **_: pytest.fail("a program was compiled"))
    classifier = load("bert")
    apply_technique(make_technique("boft"), classifier, 1)
    assert not next(iter(adapters(classifier).values())).fbd_cuda_available


def test_settings_that_peft_does_not_take_are_told_with_its_reason(load, make_technique):
    with pytest.raises(ModelError, match="shira: peft cannot put SHIRA on this model: The set rank 400"):
        apply_technique(make_technique("shira", rank=400), load("bert"), 1)
    with pytest.raises(ModelError, match=r"oft: 5 does not divide all of \[32\]"):
        apply_technique(make_technique("oft", block_size=5), load("bert"), 1)

    class Odd(Lora):
        name = "odd"
        fixed = {"use_dora": True, "no_such_field": 1}  # noqa: RUF012

    with pytest.raises(ModelError, match=r"odd: peft's LoraConfig does not take its settings: .*no_such_field"):
        apply_technique(Odd(get("lora").settings_class()), load("bert"), 1)
