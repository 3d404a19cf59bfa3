"""The doctor on techniques that train, fit or put something before texts in ways of their own: nothing to object to."""

import pytest

from tuneoff.checks import all_checks
from tuneoff.checks.of_stage import loop_of

BERT = ["bitfit", "layerwise-decay", "gradual-unfreezing", "logistic-regression", "knn", "setfit", "prompt", "p-tuning"]
QWEN3 = ["layerwise-decay", "knn", "setfit", "prefix"]


@pytest.mark.parametrize(
    ("name", "family"), [(name, "bert") for name in [*BERT, "prefix"]] + [(n, "qwen3") for n in QWEN3]
)
def test_no_check_finds_an_error_or_cannot_be_made(patient, model_folder, name, family):
    made = patient(techniques=[name], model={"id": str(model_folder(family))})
    ((place, stage),) = made.alone()
    loop = loop_of(stage, place)
    found = [finding for check in all_checks() for finding in check.of_loop(loop)]
    assert {finding.check for finding in found} >= {"frozen", "learning", "padding", "determinism", "numbers"}
    assert [str(finding) for finding in found if finding.severity != "fine"] == []


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "qwen3"])
def test_the_whole_examination_of_all_of_them_finds_no_error(patient, model_folder, family):
    from tuneoff.checks.examine import examine

    names = [*(BERT[1:] if family == "qwen3" else BERT), "prefix", "setfit+knn", "logistic-regression+lora"]
    made = patient(techniques=names, model={"id": str(model_folder(family))})
    found = examine(made, lambda _: None)
    wrong = [str(one) for one in found if one.severity == "error" or "could not be made" in one.sentence]
    assert wrong == []
