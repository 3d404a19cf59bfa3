import pytest
import torch

from tuneoff.checks.seeding import Seeding
from tuneoff.training import build


@pytest.mark.parametrize("family", ["bert", "qwen3"])
def test_healthy_techniques_are_fine(studied, family):
    found = list(Seeding().of_study(studied(["linear-probe", "lora", "full", "linear-probe+lora"], family)))
    assert [one.severity for one in found] == ["fine"] * 3


def test_a_head_that_does_not_depend_on_the_seed_is_found(studied, monkeypatch):
    monkeypatch.setattr(
        build, "init_head", lambda classifier, _seed: torch.nn.init.constant_(classifier.head.weight, 0.1)
    )
    (found,) = Seeding().of_study(studied())
    assert found.severity == "error" and found.sentence.startswith("Another seed gives the same start")


def test_a_head_drawn_from_the_global_state_is_found(studied, monkeypatch):
    monkeypatch.setattr(build, "init_head", lambda classifier, _seed: torch.nn.init.normal_(classifier.head.weight))
    (found,) = Seeding().of_study(studied())
    assert found.severity == "error" and found.sentence == "The same seed gives another start: head.weight differs."
