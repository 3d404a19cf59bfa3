"""The doctor on techniques that train, fit or put something before texts in ways of their own: nothing to object to."""

import pytest

from tuneoff.checks import all_checks
from tuneoff.checks.examine import examine

KINDS = [("gradual-unfreezing", "bert"), ("logistic-regression", "bert"), ("knn", "qwen3"), ("setfit", "qwen3")]
KINDS += [("prefix", "bert")]
OURS = ["layerwise-decay", "gradual-unfreezing", "logistic-regression", "knn", "setfit", "prompt", "p-tuning", "prefix"]
CHAINS = ["setfit+knn", "logistic-regression+lora", "gradual-unfreezing+prefix"]


@pytest.mark.parametrize(("name", "family"), KINDS)
def test_no_check_finds_an_error_or_cannot_be_made(loop, name, family):
    given = loop(name, family)
    found = [finding for check in all_checks() for finding in check.of_loop(given)]
    assert {finding.check for finding in found} >= {"frozen", "learning", "padding", "determinism", "numbers"}
    assert [str(finding) for finding in found if finding.severity != "fine"] == []


@pytest.mark.slow
@pytest.mark.parametrize(("family", "more"), [("bert", ["bitfit"]), ("qwen3", [])])
def test_the_whole_examination_of_all_of_them_finds_no_error(studied, family, more):
    found = examine(studied([*OURS, *more, *CHAINS], family), lambda _: None)
    about = {finding.about for finding in found if finding.check == "round-trip"}
    assert about == {f"{name} on tiny-{family}" for name in [*OURS, *more, "lora"]}
    stage_checks = ("frozen", "hand-over", "learning", "numbers", "padding", "round-trip", "seeding", "determinism")
    assert [str(one) for one in found if one.check in stage_checks and one.severity != "fine"] == []
