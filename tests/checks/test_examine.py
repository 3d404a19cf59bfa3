"""All checks together, what a study does with their findings, and what the report shows of them."""

import html
import json

import pytest
import torch

from tuneoff.checks import all_checks
from tuneoff.checks.base import Check
from tuneoff.checks.examine import _guarded, check_names, errors, examine, examine_quickly
from tuneoff.checks.finding import Finding, worst_first
from tuneoff.checks.kept import FILE, finding_rows, keep_findings
from tuneoff.errors import DataError, StudyError
from tuneoff.evidence.results import build_results
from tuneoff.report.doctor_table import doctor_table
from tuneoff.report.words import Words
from tuneoff.running import run_study
from tuneoff.store import Store

NAMES = {
    *("determinism", "frozen", "hand-over", "labels", "leakage", "learning", "length", "memory", "numbers", "padding"),
    *("power", "rank", "round-trip", "seeding", "shortcut"),
}


def test_every_check_of_the_folder_is_found_and_has_a_question():
    assert {check.name for check in all_checks()} == NAMES
    assert all(check.question.endswith("?") for check in all_checks())


def test_a_healthy_study_has_no_error_and_every_check_says_what_it_tried(studied):
    said = []
    found = examine(studied(["linear-probe", "lora", "full", "linear-probe+lora"], "bert"), said.append)
    assert not errors(found), errors(found)
    assert {one.check for one in found} == NAMES
    assert [one.severity for one in found] == [one.severity for one in worst_first(found)]
    assert "checking lora on tiny-bert" in said


def test_quick_checks_need_no_model(studied, monkeypatch):
    monkeypatch.setattr("tuneoff.training.build.build_classifier", lambda *_: pytest.fail("a model was built"))
    found = examine_quickly(studied(["linear-probe", "full"]))
    assert {one.check for one in found} == {"labels", "leakage", "length", "memory", "numbers", "power", "rank"}


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("no room"), MemoryError()])
def test_a_model_that_memory_does_not_do_for_is_an_error_and_the_others_are_checked(studied, monkeypatch, error):
    from tuneoff.checks import of_stage

    made = of_stage.loop_of

    def loop_of(stage, place):
        if stage.spec.technique == "full":
            raise error
        return made(stage, place)

    monkeypatch.setattr(of_stage, "loop_of", loop_of)
    found = examine(studied(["full", "linear-probe"]), lambda _: None)
    (short,) = [one for one in found if one.check == "memory" and one.severity == "error"]
    assert short.about == "full on tiny-bert" and "Memory ran out as the model was made" in short.sentence
    assert any(one.about == "linear-probe on tiny-bert" and one.check == "frozen" for one in found)


def test_an_error_of_another_kind_is_not_taken_for_one(studied, monkeypatch):
    def loop_of(*_):
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("tuneoff.checks.of_stage.loop_of", loop_of)
    with pytest.raises(RuntimeError, match="a mistake of ours"):
        examine(studied(["full"]), lambda _: None)


def test_a_check_that_cannot_be_made_is_a_finding_too():
    class Broken(Check):
        name, question, words = "broken", "?", {"en": {"begun": "Begun."}}

        def of_study(self, patient):
            yield self.finding("note", "begun")
            raise DataError("no such row")

    begun, broken = _guarded(Broken(), Broken().of_study(None))
    assert begun.severity == "note" and broken.severity == "warning"
    assert broken.sentence == "This check could not be made: no such row."


@pytest.fixture
def leaking(study, tmp_path):
    """A study whose test rows stand in train."""
    read = study(["linear-probe"], steps=1, eval_every=1)
    (tmp_path / "test.jsonl").write_text((tmp_path / "train.jsonl").read_text().split("\n", 9)[0] + "\n" * 1)
    rows = (tmp_path / "train.jsonl").read_text(encoding="utf-8").splitlines()[:8]
    (tmp_path / "test.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return read


def test_an_error_stops_a_study_before_its_first_step_and_says_how_to_go_on(leaking, listener, tmp_path):
    heard = listener()
    with pytest.raises(StudyError, match=r"(?s)leakage \(test\): 8 of the 8 .*--force leakage") as told:
        run_study(leaking, tmp_path / "out", heard)
    assert len(told.value.problems) == 2 and not heard.heard
    (kept,) = [one for one in finding_rows(Store(tmp_path / "out")) if one["severity"] == "error"]
    assert kept["check"] == "leakage" and not kept["forced"]


def test_forced_it_runs_and_table_and_report_say_so(leaking, listener, tmp_path, no_figures):
    store = run_study(leaking, tmp_path / "out", listener(), forced=["leakage"])
    results = build_results(store)
    (forced,) = [one for one in results["study"]["notices"] if one["id"] == "doctor_forced"]
    assert forced["text"].startswith("An error was set aside by --force leakage (test): 8 of the 8")
    table = doctor_table(results)
    assert [cell.text for cell in table.rows[0]][:3] == ["leakage", "test", "error, set aside"]
    page = (store.root / "report.html").read_text(encoding="utf-8")
    assert "Before the first step" in page and "error, set aside" in page and forced["text"] in page


def test_the_report_of_it_in_russian_has_no_english_of_the_doctor(leaking, listener, tmp_path, no_figures):
    store = run_study(leaking, tmp_path / "out", listener(), forced=["leakage"], language="ru")
    page = html.unescape((store.root / "report.html").read_text(encoding="utf-8"))
    assert "Ошибка отложена ключом --force leakage (test): Строк test, которые есть и в train" in page
    assert "До первого шага" in page and "ошибка, отложена" in page
    for row in finding_rows(store):
        assert row["sentence"] not in page and Finding.from_json(row).in_words(Words("ru")).sentence in page


def test_warnings_are_notices_and_what_is_fine_is_not(tmp_path):
    from tuneoff.evidence.notices import about_doctor

    findings = [
        Finding("power", "warning", "It is weak.", about=None),
        Finding("length", "fine", "Nothing is cut.", about="m"),
        Finding("labels", "note", "A note.", about="train"),
    ]
    store = Store(tmp_path)
    keep_findings(store, findings, [])
    assert json.loads((tmp_path / FILE).read_text())["findings"] == finding_rows(store)
    (notice,) = about_doctor(finding_rows(store))
    assert notice["text"] == "Before the first step, power warned of the study: It is weak."
    assert [
        Finding.from_json({k: v for k, v in row.items() if k != "forced"}) for row in finding_rows(store)
    ] == findings


def test_a_forced_check_that_there_is_not_is_refused_with_the_near_one():
    check_names(["leakage", "hand-over"])
    with pytest.raises(StudyError, match=r"--force leakages: there is no such check\. Did you mean 'leakage'\?"):
        check_names(["leakages"])
