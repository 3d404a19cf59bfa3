import pytest

from tuneoff.checks.hand_over import HandOver
from tuneoff.training import build

COMPOSED = ["linear-probe+lora", "linear-probe+full", "lora+full"]


@pytest.mark.parametrize("family", ["bert", "qwen3", "gpt2"])
def test_healthy_chains_are_fine(studied, family):
    found = list(HandOver().of_study(studied(COMPOSED, family)))
    assert [one.severity for one in found] == ["fine"] * 3
    assert all(one.evidence["difference"] < 1e-5 for one in found)


def test_one_stage_hands_nothing_over(studied):
    assert not list(HandOver().of_study(studied(["lora", "full"])))


def test_a_head_that_is_lost_on_the_way_is_found(studied, monkeypatch):
    monkeypatch.setattr(build, "load_trained", lambda classifier, path: None)
    (found,) = HandOver().of_study(studied(["linear-probe+lora"]))
    assert found.severity == "error" and found.about == "linear-probe+lora on tiny-bert"
    assert found.sentence.startswith("It starts with other logits than linear-probe ended with")
