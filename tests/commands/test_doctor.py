"""`tuneoff doctor`: a line a finding, errors first, and the exit status."""

import json
import re

import pytest

from tuneoff.cli import main
from tuneoff.reading import resolved_yaml


@pytest.fixture
def doctor(capsys, study, tmp_path, monkeypatch):
    """Return a function that asks the doctor about a small study: exit status, output, errors."""
    monkeypatch.setattr("tuneoff.checks.round_trip.RoundTrip.of_study", lambda *_: iter(()))  # six seconds

    def ask(*options, leak=False, **settings):
        read = study(["linear-probe"], **settings)
        if leak:
            (tmp_path / "test.jsonl").write_bytes((tmp_path / "train.jsonl").read_bytes())
        path = tmp_path / "study.yaml"
        path.write_text(resolved_yaml(read.study), encoding="utf-8")
        with pytest.raises(SystemExit) as left:
            main(["doctor", str(path), "--out", str(tmp_path / "out"), *options])
        said = capsys.readouterr()
        return left.value.code, said.out, said.err

    return ask


def found(out):
    return json.loads(out)["findings"]


def test_a_healthy_study_has_status_0_and_nothing_is_written(doctor, tmp_path):
    status, out, _ = doctor()
    assert status == 0 and out.splitlines()[-1].startswith("0 errors, ")
    assert "✓ frozen (linear-probe on tiny-bert): 3 steps changed the 64 numbers" in out
    assert not (tmp_path / "out").exists()


def test_an_error_stands_first_with_what_to_do_and_status_1(doctor):
    status, out, _ = doctor(leak=True)
    assert status == 1 and out.startswith("✗ error leakage (test): 41 of the 41 test rows (100%) stand in train")
    assert "task.drop_overlap" in out.splitlines()[1]


def test_json_has_every_finding_with_its_evidence(doctor):
    status, out, _ = doctor("--json")
    assert status == 0 and {one["severity"] for one in found(out)} <= {"warning", "note", "fine"}
    (padding,) = [one for one in found(out) if one["check"] == "padding"]
    assert padding["evidence"]["largest_difference"] < 1e-4


def test_lines_are_in_the_language_asked_for_and_json_is_not(doctor):
    status, out, _ = doctor("--lang", "ru", leak=True)
    assert status == 1 and out.startswith("✗ ошибка leakage (test): Строк test, которые есть и в train")
    assert "Задайте task.drop_overlap: true" in out.splitlines()[1] and "✓ frozen (linear-probe на tiny-bert): " in out
    assert re.fullmatch(r"Ошибок: 1, предупреждений: \d+, замечаний: \d+; всё в порядке: \d+\.", out.splitlines()[-1])
    (kept,) = [one for one in found(doctor("--lang", "ru", "--json", leak=True)[1]) if one["severity"] == "error"]
    assert kept["sentence"].startswith("41 of the 41 test rows (100%)") and kept["said"]["sentence"] == "equal"


def test_a_study_that_cannot_be_read_has_status_2(doctor):
    status, out, err = doctor("--set", "protocol.steps=none")
    assert status == 2 and not out and "protocol.steps" in err
