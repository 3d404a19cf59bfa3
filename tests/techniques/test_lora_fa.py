"""LoRA-FA: first factors from a seed of their own, and the steps of peft's own optimizer."""

import pytest
import torch
from peft.optimizers import lorafa

from tuneoff.techniques.base import Optimization
from tuneoff.training.build import apply_technique

EXACT = 1e-14  # of epsilon, which peft adds at another place than torch does


def first_factors(classifier):
    return {name: value for name, value in classifier.named_parameters() if ".lora_A." in name}


def test_the_first_factors_are_frozen_and_depend_on_their_seed_alone(load, make_technique):
    made = []
    for projection, run in ((0, 1), (0, 2), (5, 1)):
        classifier = load("qwen3")
        trained = apply_technique(make_technique("lora-fa", projection_seed=projection), classifier, run)
        assert not [name for name in trained if ".lora_A." in name]
        made.append(first_factors(classifier))
    assert all(torch.equal(value, made[1][name]) for name, value in made[0].items()) and made[0]
    assert not any(torch.equal(value, made[2][name]) for name, value in made[0].items())
    assert len({value.flatten()[0].item() for value in made[0].values()}) == len(made[0])


def test_its_steps_are_those_of_pefts_own_optimizer(load, make_technique, monkeypatch):
    """But for peft's use of bf16 in the product, which is switched off here."""
    monkeypatch.setattr(lorafa, "is_bf16_available", lambda: False)
    monkeypatch.setattr("tuneoff.training.optimizer.EPSILON", EXACT)
    classifier, technique = load("bert"), make_technique("lora-fa", dropout=0.0)
    trained = apply_technique(technique, classifier, 1)
    optimizer = technique.optimizer(trained, Optimization(1e-3, "constant", 0.0, 0.0, "off"))
    lora = {name: value for name, value in classifier.named_parameters() if ".lora_" in name}
    theirs = {name: value.detach().clone().requires_grad_(".lora_B." in name) for name, value in lora.items()}
    group = {"params": list(theirs.values()), "names": list(theirs), "lr": 1e-3, "betas": (0.9, 0.999)}
    reference = lorafa.LoraFAOptimizer([group | {"scaling_factors": [4.0] * len(theirs)}], eps=EXACT)
    numbers = torch.Generator().manual_seed(3)
    for _ in range(3):
        for name, value in theirs.items():
            if ".lora_B." in name:
                value.grad = torch.randn(value.shape, generator=numbers)
                lora[name].grad = value.grad.clone()
        optimizer.step()
        reference.step()
    for name, value in theirs.items():
        torch.testing.assert_close(lora[name], value, rtol=2e-4, atol=1e-7)


@pytest.mark.parametrize("alpha", [8, 32])
def test_the_gradient_is_the_step_nearest_to_that_of_the_whole_weight(alpha, load, make_technique):
    """With W = scale * B A, the change G A' (A A')^-1 / scale of B makes scale * B A change by G's projection."""
    classifier, technique = load("bert"), make_technique("lora-fa", alpha=alpha)
    optimizer = technique.optimizer(
        apply_technique(technique, classifier, 1), Optimization(1e-3, "constant", 0.0, 0.0, "off")
    )
    layer = classifier.backbone.encoder.layer[0].attention.self.query
    first, second, scale = layer.lora_A["default"].weight, layer.lora_B["default"].weight, alpha / 8
    whole = torch.randn(32, 32, generator=torch.Generator().manual_seed(0))
    gradient = scale * whole @ first.T  # by the chain rule
    step = gradient @ optimizer._factors[second]
    projector = first.T @ torch.linalg.inv(first @ first.T) @ first
    torch.testing.assert_close(scale * step @ first, whole @ projector, rtol=1e-3, atol=1e-4)
