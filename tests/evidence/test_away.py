"""Further test sets: evaluated once at the end of a run, measured from predictions, never silently missing."""

import csv
import gc
import json
import sys
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import yaml

from tuneoff.evidence.metrics import measure_frame
from tuneoff.evidence.results import SCHEMA_FILE, build_results
from tuneoff.report import write_report
from tuneoff.report.away_tables import away_table
from tuneoff.running import compute_study, run_study
from tuneoff.store import Store

SCHEMA = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))


@pytest.fixture
def away(study, write_rows):
    """Return a function that reads a study with one further test set, `far`, of 11 rows."""

    def read(techniques=("linear-probe",), **protocol):
        far = str(write_rows("far.jsonl", 11, seed=9))
        return study(techniques, task={"also_test": {"far": far}}, **protocol)

    return read


def test_each_run_is_evaluated_there_once_at_its_end_and_reported(away, listener, tmp_path):
    store = run_study(away(["linear-probe", "linear-probe+lora"], seeds=2), tmp_path / "out", listener())
    results = json.loads((store.root / "results.json").read_text(encoding="utf-8"))
    jsonschema.validate(results, SCHEMA)
    for run in results["runs"]:
        record = next(one for one in store.records() if one.key == run["source"]["key"])
        frame = store.predictions(record.address)
        there = frame[frame["split"] == "also:far"]
        assert there["step"].unique().tolist() == [6] and there["row"].tolist() == list(range(11))
        assert run["also"]["far"] == pytest.approx(measure_frame(frame, "also:far"))
        evaluated = [row for row in store.history(record.address) if row.get("split") == "also:far"]
        assert [row["stage_step"] for row in evaluated] == [6]
    row = results["techniques"][1]
    drops = [run["metrics"]["accuracy"] - run["also"]["far"]["accuracy"] for run in results["runs"][2:]]
    assert row["also"]["far"]["drop"]["mean"] == pytest.approx(np.mean(drops))
    assert row["also"]["far"]["metrics"]["accuracy"]["n"] == 2
    interval, mean = row["also"]["far"]["accuracy_interval"], row["also"]["far"]["metrics"]["accuracy"]["mean"]
    assert interval["low"] <= mean <= interval["high"] and interval["covers"] == "seeds and examples"
    assert results["tasks"][0]["splits"]["also:far"]["rows"] == 11
    page = (store.root / "report.html").read_text(encoding="utf-8")
    assert page.count("<h2>Away from the training data</h2>") == 1
    tables = store.root / "tables"
    rows = list(csv.DictReader((tables / "away.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["technique"], row["set"], row["runs"]) for row in rows] == [
        ("linear-probe", "far", "2"),
        ("linear-probe+lora", "far", "2"),
    ]
    assert float(rows[1]["drop"]) == row["also"]["far"]["drop"]["mean"]
    assert "| far |" in (tables / "away.md").read_text(encoding="utf-8").replace("---:", "")
    assert r"\toprule" in (tables / "away.tex").read_text(encoding="utf-8")


def test_a_set_added_later_is_evaluated_with_the_kept_weights(study, away, listener, tmp_path, write_rows):
    techniques = ["full", "linear-probe", "linear-probe+lora"]
    fresh = compute_study(away(techniques), tmp_path / "fresh", listener())
    store = compute_study(study(techniques), tmp_path / "out", listener())
    before = {record.address: record for record in store.records()}
    later = listener()
    compute_study(away(techniques), tmp_path / "out", later)
    assert [row["split"] for _, row in later.heard] == ["also:far"] * 3  # no step is taken
    for record in store.records():
        expected, found = (one.predictions(record.address) for one in (fresh, store))
        assert expected.drop(columns="logits").equals(found.drop(columns="logits"))
        np.testing.assert_allclose(np.stack(found["logits"]), np.stack(expected["logits"]), atol=1e-5)
        assert record.key == fresh.record(record.address).key
        earlier = before[record.address]
        assert record.files["weights.safetensors"] == earlier.files["weights.safetensors"]
        assert record.files["weights.safetensors"] == fresh.record(record.address).files["weights.safetensors"]
        assert record.test_opened == earlier.test_opened and record.seconds["training"] == earlier.seconds["training"]
    again = listener()
    compute_study(away(techniques), tmp_path / "out", again)
    assert again.records == [] and again.heard == []
    without = listener()
    compute_study(study(techniques), tmp_path / "out", without)
    assert without.heard == [] and {one.address: one.key for one in store.records()} == {
        address: record.key for address, record in before.items()
    }
    assert "also:far" not in set(store.predictions(record.address)["split"])


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what a process has mapped")
def test_no_weights_lie_in_the_file_that_is_written_anew(study, away, listener, tmp_path, monkeypatch):
    """Windows would let nobody remove it."""
    compute_study(study(["full", "lora"]), tmp_path / "out", listener())
    seen, real = [], Store.finish

    def finish(store, record, *rest):
        gc.collect()
        seen.append(str(store.folder(record.address)) in Path("/proc/self/maps").read_text(encoding="utf-8"))
        return real(store, record, *rest)

    monkeypatch.setattr(Store, "finish", finish)
    compute_study(away(["full", "lora"]), tmp_path / "out", listener())
    assert seen == [False, False]


def test_without_kept_weights_the_stage_is_computed_again(study, away, listener, tmp_path):
    store = compute_study(study(keep_weights="none"), tmp_path / "out", listener())
    later = listener()
    compute_study(away(keep_weights="none"), tmp_path / "out", later)
    assert [row["event"] for _, row in later.heard].count("train") == 6
    assert "also:far" in set(store.predictions(store.records()[0].address)["split"])


def test_a_directory_that_was_not_evaluated_says_so_and_shows_no_number(study, away, listener, tmp_path):
    store = compute_study(study(), tmp_path / "out", listener())
    asked = store.study()
    asked["task"]["also_test"] = away().study.task.also_test
    store.create(yaml.safe_dump(asked), None)  # as a command that was stopped before it computed leaves it
    results = build_results(store)
    jsonschema.validate(results, SCHEMA)
    assert set(results["runs"][0]["also"]["far"].values()) == {None}
    assert results["techniques"][0]["also"]["far"]["accuracy_interval"] is None
    texts = [notice["text"] for notice in results["study"]["notices"]]
    assert "1 of 1 runs were not evaluated on far; run the study again." in texts
    assert [cell.text for cell in away_table(results).rows[0]][2:] == ["—", "—"]


def test_without_further_sets_there_is_no_section(study, listener, tmp_path):
    store = compute_study(study(), tmp_path / "out", listener())
    results = build_results(store)
    assert results["runs"][0]["also"] == results["techniques"][0]["also"] == {} and not away_table(results).rows
    left = tmp_path / "out" / "tables" / "away.csv"  # of a study that had some
    left.parent.mkdir()
    left.touch()
    write_report(store)
    assert not left.exists() and (left.parent / "pairs.csv").is_file()


def test_with_folds_there_are_means_over_runs_and_no_interval(away, listener, tmp_path):
    results = build_results(compute_study(away(folds=3), tmp_path / "out", listener()))
    jsonschema.validate(results, SCHEMA)
    found = results["techniques"][0]["also"]["far"]
    assert found["metrics"]["accuracy"]["n"] == 3 and found["accuracy_interval"] is None
    values = [run["also"]["far"]["accuracy"] for run in results["runs"]]
    assert found["metrics"]["accuracy"]["mean"] == pytest.approx(np.mean(values))


def test_the_chosen_weights_are_the_ones_evaluated_there(away, listener, tmp_path):
    settings = {"eval_on": "dev", "checkpoint": "best", "eval_every": 1, "warmup": 0.0, "schedule": "constant"}
    techniques = [{"name": "linear-probe", "learning_rate": 2.0}]
    store = compute_study(away(techniques, **settings), tmp_path / "out", listener())
    record, run = store.records()[0], build_results(store)["runs"][0]
    frame = store.predictions(record.address)
    assert set(frame[frame["split"] == "also:far"]["step"]) == {record.chosen["step"]} == {run["step"]}
    assert run["also"]["far"] == pytest.approx(measure_frame(frame, "also:far"))


def test_trials_do_not_see_it(study, away, listener, tmp_path):
    settings = {"eval_on": "dev", "tune": {"trials": 2}}
    first, later = listener(), listener()
    store = compute_study(study(**settings), tmp_path / "out", first)
    compute_study(away(**settings), tmp_path / "out", later)
    assert [row["split"] for _, row in later.heard] == ["also:far"]  # no trial is run again
    for record in store.tuning_records():
        assert set(store.predictions(record.address)["split"]) == {"dev"}
