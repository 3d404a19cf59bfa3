import pytest
import torch

from tuneoff.checks.frozen import Frozen, checksum

TECHNIQUES = ["linear-probe", "lora", "full", {"name": "top", "use": "top-layers", "layers": 1}]


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta", "qwen3", "gemma3", "gpt2", "t5"])
@pytest.mark.parametrize("technique", TECHNIQUES, ids=["probe", "lora", "full", "top"])
def test_healthy_techniques_are_fine_and_leave_the_model_as_it_was(loop, technique, family):
    healthy = loop(technique, family)
    before = {name: checksum(value) for name, value in healthy.model.named_parameters()}
    (found,) = Frozen().of_loop(healthy)
    assert found.severity == "fine", found
    assert found.evidence["trained"] == sum(value.numel() for value in healthy.trained.values())
    assert before == {name: checksum(value) for name, value in healthy.model.named_parameters()}
    assert {name for name, value in healthy.model.named_parameters() if value.requires_grad} == set(healthy.trained)


def test_a_backbone_that_was_never_frozen_is_found_with_what_it_costs(loop):
    sick = loop("linear-probe")
    sick.model.backbone.requires_grad_(True)
    (found,) = Frozen().of_loop(sick)
    backbone = sum(value.numel() for value in sick.model.backbone.parameters())
    assert found.severity == "error" and found.evidence["numbers"] == backbone
    assert f"computes gradients of {backbone:,} numbers that are not trained" in found.sentence


def test_training_other_parameters_than_meant_is_found(loop, severities):
    sick = loop("full")
    sick.expected = frozenset({"head.weight", "not.there"})
    found = severities(Frozen().of_loop(sick))
    assert [severity for severity, _ in found] == ["error", "error"]
    assert "are trained and should not be" in found[0][1] and "should be trained and are not: not.there" in found[1][1]


def test_a_graph_that_is_cut_is_found(loop, severities):
    sick = loop("full")
    whole = sick.logits

    def detached(rows):
        for parameter in sick.model.backbone.parameters():
            parameter.requires_grad_(False)
        return whole(rows)

    sick.logits = detached
    assert [one for one in severities(Frozen().of_loop(sick)) if "get no gradient in 3 steps" in one[1]]


def test_a_frozen_weight_that_changes_is_found(loop):
    sick = loop("linear-probe")
    weight = next(sick.model.backbone.parameters())

    def drift(_step):
        with torch.no_grad():
            weight.add_(0.1)

    sick.after_step = drift
    (found,) = Frozen().of_loop(sick)
    assert found.severity == "error" and "1 frozen tensors changed in 3 steps" in found.sentence


def test_an_optimizer_that_forgets_a_weight_is_found(loop):
    sick = loop("full")
    forgotten = "backbone.embeddings.word_embeddings.weight"
    kept = [value for name, value in sick.trained.items() if name != forgotten]
    sick.optimizer = lambda rate: torch.optim.AdamW(kept, lr=rate)
    (found,) = Frozen().of_loop(sick)
    assert found.severity == "error" and found.evidence["tensors"] == [forgotten]
