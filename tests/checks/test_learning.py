import math

import pytest
import torch

from tuneoff.checks.learning import Learning


@pytest.mark.parametrize("family", ["bert", "roberta", "qwen3", "gemma3", "gpt2"])
@pytest.mark.parametrize("technique", ["linear-probe", "lora", "full"])
def test_healthy_models_fit_a_few_examples(loop, technique, family):
    (found,) = Learning().of_loop(loop(technique, family))
    assert found.severity == "fine", found
    assert found.evidence["tried"][-1]["right"] == 8


def test_logits_that_do_not_depend_on_the_text_cannot_be_fitted(loop):
    sick = loop("full")
    whole = sick.logits
    sick.logits = lambda rows: whole([0]).expand(len(rows), -1)
    (found,) = Learning().of_loop(sick)
    assert found.severity == "error" and "8 examples cannot be fitted: at best 4 are right" in found.sentence
    assert len(found.evidence["tried"]) == 3


def test_a_loss_at_the_start_that_is_not_the_logarithm_of_the_classes_is_found(loop):
    sick = loop("linear-probe")
    whole = sick.logits
    sick.logits = lambda rows: whole(rows) + torch.tensor([1.0, 0.0])
    (found,) = Learning().of_loop(sick)
    assert found.severity == "error" and found.evidence["expected"] == math.log(2)
    # Half of the examples are of each class: the mean of -log softmax([1, 0]) over both.
    assert found.evidence["loss"] == pytest.approx(math.log(1 + math.e) - 0.5, abs=1e-6)


def test_a_loss_that_is_not_finite_is_found(loop):
    sick = loop("linear-probe")
    with torch.no_grad():
        sick.model.head.weight.fill_(math.inf)
    (found,) = Learning().of_loop(sick)
    assert found.severity == "error" and found.sentence == "The loss is not finite before the first step."
