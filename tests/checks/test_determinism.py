import pytest
import torch

from tuneoff.checks.determinism import Determinism


@pytest.mark.parametrize("family", ["bert", "qwen3", "gpt2"])
@pytest.mark.parametrize("technique", ["linear-probe", "lora", "full"])
def test_healthy_loops_repeat_bit_for_bit(loop, technique, family):
    (found,) = Determinism().of_loop(loop(technique, family))
    assert found.severity == "fine" and found.evidence["between_runs"] == 0


def test_dropout_that_is_left_on_is_found(loop, severities):
    sick = loop("full")
    sick.eval_mode = sick.model.train
    found = severities(Determinism().of_loop(sick))
    assert found[0][0] == "error" and found[0][1].startswith("Two evaluations from the same state give other logits")


def test_dropout_that_is_not_seeded_is_found(loop):
    sick = loop("full")
    seeds = iter(range(100))

    def unseeded():
        torch.manual_seed(next(seeds))
        sick.model.train()

    sick.train_mode = unseeded
    (found,) = Determinism().of_loop(sick)
    assert found.severity == "error" and found.sentence.startswith("Two runs of 3 steps from the same state")
