"""A cross-validated study from its file to its results."""

import json

import jsonschema
import numpy as np
import pytest

from tuneoff.evidence.metrics import measure_frame
from tuneoff.evidence.results import SCHEMA_FILE, build_results
from tuneoff.plan import make_plan
from tuneoff.running import compute_study, prepare
from tuneoff.store import Store


def test_each_fold_is_a_run_and_every_row_is_predicted_once(study, listener, tmp_path):
    read = study(["linear-probe", "linear-probe+lora"], folds=3, seeds=2, eval_on="dev", steps=2, eval_every=2)
    quiet = listener()
    store = compute_study(read, tmp_path / "out", quiet)
    order = [(record.address.seed, record.address.fold, record.address.chain) for record in quiet.records]
    assert order == [(s, f, c) for s in (0, 1) for f in range(3) for c in ("linear-probe", "linear-probe+lora")]
    assert store.folder(quiet.records[1].address).name == "seed-0-fold-0"
    results = build_results(store)
    jsonschema.validate(results, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    runs = [run for run in results["runs"] if (run["technique"], run["seed"]) == ("linear-probe+lora", 1)]
    assert [run["fold"] for run in runs] == [0, 1, 2] and sum(run["examples"] for run in runs) == 41 + 17
    rows = []
    for run in runs:
        record = next(r for r in store.records() if r.address.folder == run["source"]["folder"])
        frame = store.predictions(record.address).query("split == 'test'")
        assert run["metrics"] == pytest.approx(measure_frame(frame))
        rows += frame["source_id"].tolist()
        assert {"split", "row"} <= set(frame.columns) and frame["row"].is_unique
    assert sorted(rows) == sorted([f"train:{n}" for n in range(41)] + [f"test:{n}" for n in range(17)])
    assert results["techniques"][0]["runs"] == {"asked": 6, "done": 6, "failed": 0, "missing": 0}
    assert len({record.key for record in store.records()}) == 12
    described = results["tasks"][0]["splits"]
    assert described["test"]["rows"] == 58 and described["test"]["tokens"]["mean"] > 1
    notices = {notice["id"]: notice["values"] for notice in results["study"]["notices"]}
    assert notices["folds"] == {"folds": 3} and notices["test_examples"] == {"examples": 58}
    assert "settings_differ" not in notices
    again = listener()
    compute_study(read, tmp_path / "out", again)
    assert again.records == []


def test_folds_of_a_seed_start_alike_and_learn_from_other_rows(study, listener, tmp_path):
    store = compute_study(study(["full"], folds=2, steps=2, eval_every=2), tmp_path / "out", listener())
    first, second = store.records()
    assert first.key_parts["seeds"] == second.key_parts["seeds"]
    assert first.key_parts["task"] != second.key_parts["task"]
    labels = [store.predictions(record.address).query("step == 2")["label"].to_numpy() for record in (first, second)]
    assert np.abs(np.mean(labels[0]) - np.mean(labels[1])) < 0.1


def test_each_fold_chooses_its_own_settings(study, listener, tmp_path):
    """Rows that one fold holds out are dev of another: one choice for all would have seen every test."""
    read = study(["linear-probe"], folds=2, eval_on="dev", steps=2, eval_every=2, tune={"trials": 2})
    plan = make_plan(read.study, prepare(read, listener()).questions, Store(tmp_path / "none"))
    assert "4 trials for 1 techniques" in plan.tuning_notes[0]
    results = build_results(compute_study(read, tmp_path / "out", listener()))
    assert [(row["chain"], row["fold"], len(row["trials"])) for row in results["tuning"]] == [
        ("linear-probe", 0, 2),
        ("linear-probe", 1, 2),
    ]
    for row, run in zip(results["tuning"], results["runs"], strict=True):
        folders = [trial["folder"] for trial in row["trials"]]
        assert folders == [f"tuning/tiny-bert/train/linear-probe/trial-{n}-fold-{row['fold']}" for n in range(2)]
        chosen = row["trials"][row["chosen"]]["settings"]["learning_rate"]
        assert run["fold"] == row["fold"] and run["settings"]["learning_rate"] == chosen
    assert "settings_differ" not in [notice["id"] for notice in results["study"]["notices"]]
