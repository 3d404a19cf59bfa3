"""The untrained model's baseline: kept with its predictions, computed once, and only where it means something."""

import json

import jsonschema
import numpy as np
import pandas as pd
import pytest

from tuneoff.evidence import cosine
from tuneoff.evidence.cosine import cosine_rows, keep_cosine
from tuneoff.evidence.results import SCHEMA_FILE, build_results
from tuneoff.report.detail_tables import baselines_table
from tuneoff.running import compute_study
from tuneoff.store import Store
from tuneoff.tasks import Split, TaskData

SCHEMA = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))


def split(name, rows):
    """Rows whose texts are alike where the label is 0; every tenth is not as it should be."""
    labels = np.arange(rows) % 2
    second = [f"{n} x" if label == (n % 10 == 0) else "other" for n, label in enumerate(labels)]
    return Split(name, ([f"{n} x" for n in range(rows)], second), labels, np.arange(rows), [None] * rows)


def task(classes=("same", "other"), fields=("a", "b"), rows=40):
    splits = {"train": split("train", rows), "test": split("test", 20)}
    return TaskData("t", "t", classes, fields, splits, "f" * 64, "made up")


def cosines(texts):
    return np.array([float(a == b) for a, b in zip(*texts, strict=True)])


def test_the_threshold_and_its_direction_come_from_train_and_are_told(tmp_path):
    store, data = Store(tmp_path), task()
    keep_cosine(store, ("m", "t"), data, {"model": "1"}, cosines)
    (row,) = cosine_rows(store, "m", "t", data.fingerprint)
    assert row["accuracy"] == 0.9 and row["chosen"] == {"threshold": 0.5, "above": "same"} and row["note"] is None
    frame = pd.read_parquet(tmp_path / row["source"]["file"])
    assert (frame["cosine"] == frame["label"]).mean() == 0.9 and row["examples"] == 20
    assert cosine_rows(store, "m", "t", "e" * 64) is None


def test_it_is_computed_once_for_the_same_model_and_data(tmp_path):
    store, asked = Store(tmp_path), []

    def counted(texts):
        asked.append(len(texts[0]))
        return cosines(texts)

    for keyed in ({"model": "1"}, {"model": "1"}, {"model": "2"}):
        keep_cosine(store, ("m", "t"), task(), keyed, counted)
    assert asked == [60, 60]


def test_of_a_large_train_rows_are_used_from_its_first_to_its_last_and_that_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr(cosine, "MOST_TRAIN_ROWS", 10)
    store, data, asked = Store(tmp_path), task(), []
    keep_cosine(store, ("m", "t"), data, {}, lambda texts: asked.append(texts[0]) or cosines(texts))
    train, test = data.splits["train"].texts[0], data.splits["test"].texts[0]
    assert len(asked[0]) == 30 and asked[0][10:] == list(test) and asked[0][0] == train[0] and asked[0][9] == train[-1]
    assert (
        cosine_rows(store, "m", "t", data.fingerprint)[0]["note"]
        == "of the 40 rows of train 10, evenly spaced, were used"
    )


@pytest.mark.parametrize("data", [task(classes=("a", "b", "c")), task(fields=("a",))])
def test_other_tasks_have_none(tmp_path, data):
    keep_cosine(Store(tmp_path), ("m", "t"), data, {}, lambda _: pytest.fail("not asked for"))
    assert not list(tmp_path.iterdir())


def test_why_there_is_none_is_kept(tmp_path):
    store, data = Store(tmp_path), task()
    keep_cosine(store, ("m", "t"), data, {}, lambda _: "no vectors")
    row = cosine_rows(store, "m", "t", data.fingerprint)[0]
    assert (row["accuracy"], row["reason"]) == (None, "no vectors")


def test_a_study_of_pairs_has_it_among_the_baselines(study, listener, tmp_path):
    store = compute_study(study(), tmp_path / "out", listener())
    results = build_results(store)
    jsonschema.validate(results, SCHEMA)
    rows = {row["name"]: row for row in results["tasks"][0]["baselines"]}
    assert list(rows) == ["majority", "tfidf", "tfidf_second", "cosine"]
    assert rows["cosine"]["examples"] == 17 and rows["cosine"]["chosen"]["above"] in ("canine", "feline")
    table = baselines_table(results)
    assert table.rows[-1][0].text == "cosine of the untrained model's vectors of the two texts"
    assert table.captions[-1].startswith("The cosine tells")


def test_of_several_models_each_is_set_against_its_own(made_up, tmp_path):
    results = build_results(made_up(models=("a", "b"), techniques=("lora",), label="").write(tmp_path))
    row = {"examples": 60, "seconds": 1.0, "chosen": {}, "reason": None, "note": None}
    for task_row, accuracy in zip(results["tasks"], (0.1, 0.99), strict=True):
        task_row["baselines"] = [{**row, "name": "majority", "accuracy": 0.05}]
        task_row["baselines"].append({**row, "name": "cosine", "accuracy": accuracy})
    table = baselines_table(results)
    assert len(table.rows) == 3
    above, below = table.captions[:2]
    assert "is above the best of them" in above and "0.100" in above
    assert (
        "Not above the best of them" in below and "0.990" in below and "lora (b)" in below and "lora (a)" not in below
    )
