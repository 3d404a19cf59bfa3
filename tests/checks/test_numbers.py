import math

import pytest
import torch

from tuneoff.checks.numbers import Numbers


def test_usual_rates_are_fine_and_far_ones_are_told(studied):
    (found,) = Numbers().of_study(studied(["linear-probe", "full"]))
    assert found.severity == "fine"
    far = [
        {"name": "slow", "use": "full", "learning_rate": 2e-7},
        {"name": "fast", "use": "lora", "learning_rate": 0.2},
    ]
    slow, fast = Numbers().of_study(studied(far))
    assert (slow.severity, slow.about) == (
        "warning",
        "slow",
    ) and "100 times lower than the usual 2e-05" in slow.sentence
    assert (fast.severity, fast.about) == ("warning", "fast") and "1000 times higher" in fast.sentence


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_healthy_loops_are_fine(loop, precision):
    (found,) = Numbers().of_loop(loop("full", precision=precision))
    assert found.severity == "fine"


def test_a_weight_that_is_no_number_is_named(loop):
    sick = loop("full")
    with torch.no_grad():
        sick.model.head.weight[0, 0] = math.nan
    (found,) = Numbers().of_loop(sick)
    assert found.severity == "error" and found.evidence["tensors"] == ["head.weight"]


def test_logits_that_overflow_are_found(loop):
    sick = loop("full")
    whole = sick.logits
    sick.logits = lambda rows: (whole(rows) * 1e6).half().float()
    (found,) = Numbers().of_loop(sick)
    assert found.severity == "error" and found.sentence == "Logits are not finite at this precision."


def test_gradients_that_are_no_numbers_are_found(loop):
    sick = loop("full")
    sick.loss = lambda found, wanted: (found - found.detach()).abs().sqrt().sum() * 0
    (found,) = Numbers().of_loop(sick)
    assert found.severity == "error" and found.sentence.startswith("Gradients (backbone.")
    assert "overflows above 65,504" in found.advice


def test_gradients_that_vanish_in_half_precision_are_found(loop):
    sick = loop("full")
    sick.model.backbone.half()
    sick.loss = lambda found, wanted: torch.nn.functional.cross_entropy(found, wanted) * 3e-8
    (found,) = Numbers().of_loop(sick)
    assert found.severity == "warning" and "vanish at this precision" in found.sentence
