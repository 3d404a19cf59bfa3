"""How far stages moved the vectors of test, held against vectors read by other ways."""

import json

import jsonschema
import numpy as np
import pytest
import torch

from tuneoff.evidence.representation import representation
from tuneoff.evidence.results import SCHEMA_FILE, build_results
from tuneoff.executors.local import ancestors_of
from tuneoff.models.text import load_tokenizer, tokenize
from tuneoff.plan import make_plan
from tuneoff.report.detail_tables import details_table
from tuneoff.running import compute_study, prepare
from tuneoff.training import moved
from tuneoff.training.build import Ancestor, build_classifier

SETTINGS = {"steps": 4, "eval_every": 2}
FIVE = [
    {"name": "full", "learning_rate": 0.01},
    "linear-probe",
    {"name": "lora", "learning_rate": 0.05},
    {"name": "top-layers", "layers": 1, "learning_rate": 0.02},
    "linear-probe+lora",
    "lora+linear-probe",
]


def slow_vectors(place, ancestors):
    """Each text of test alone through the classifier with these stages' weights put in and merged."""
    classifier = build_classifier(place.model, place.data.classes, ancestors, torch.device("cpu"), head_seed=0)
    tokens = tokenize(place.model, load_tokenizer(place.model), place.data.splits["test"].texts)
    found = []
    for row in tokens.ids:
        ids = torch.from_numpy(row).long()[None]
        with torch.no_grad():
            found.append(classifier.vectors(ids, torch.ones_like(ids))[0].numpy())
    return np.stack(found).astype(np.float64)


def alignment(x, y):
    """Linear CKA by the kernels of the centred vectors."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    k, m = x @ x.T, y @ y.T
    return (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())


@pytest.mark.parametrize("pack_texts", [True, False])
def test_each_stage_keeps_the_alignment_of_its_vectors_with_the_untouched_ones(study, listener, tmp_path, pack_texts):
    read = study(FIVE, **SETTINGS, pack_texts=pack_texts)
    store = compute_study(read, tmp_path / "out", listener())
    prepared = prepare(read, listener())
    place = next(iter(prepared.places.values()))
    plan = make_plan(read.study, prepared.questions, store)
    stages = {stage.address: stage for stage in plan.stages}
    before = slow_vectors(place, [])
    for stage in plan.stages:
        record = store.record(stage.address)
        own = Ancestor(stage.spec, record.key, store.weights(stage.address))
        expected = alignment(before, slow_vectors(place, [*ancestors_of(stage, stages, store), own]))
        found = representation(store, stage.address, record.key)
        assert found["cka"] == pytest.approx(expected, abs=1e-5) and found["rows"] == 17
        assert (found["cka"] == 1.0) == (stage.address.chain == "linear-probe")
    results = build_results(store)
    jsonschema.validate(results, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    assert results["details"][1]["cka"]["mean"] == 1.0
    table = details_table(results)
    place = [column.title for column in table.columns].index("CKA with the untouched model")
    assert table.rows[1][place].text == "1.000"
    assert any(caption.startswith("CKA tells") for caption in table.captions)


def test_only_the_first_rows_of_a_large_test_are_read(study, listener, tmp_path, monkeypatch):
    monkeypatch.setattr(moved, "MOST_ROWS", 5)
    store = compute_study(study(["full"], **SETTINGS), tmp_path / "out", listener())
    record = store.records()[0]
    found = representation(store, record.address, record.key)
    assert found["rows"] == 5 and 0 < found["cka"] < 1


def test_a_linear_probe_computes_nothing_for_it(study, listener, tmp_path, monkeypatch):
    monkeypatch.setattr(moved, "vectors_of_test", lambda *_: pytest.fail("not asked for"))
    store = compute_study(study(["linear-probe"], **SETTINGS), tmp_path / "out", listener())
    assert build_results(store)["details"][0]["cka"]["mean"] == 1.0


def test_the_untouched_model_is_read_once_for_all_stages(study, listener, tmp_path, monkeypatch):
    real, asked = moved.vectors_of_test, []
    monkeypatch.setattr(moved, "vectors_of_test", lambda *given: asked.append(1) or real(*given))
    compute_study(study(["full", "lora"], seeds=2, **SETTINGS), tmp_path / "out", listener())
    assert asked == [1]


def test_without_vectors_of_texts_it_is_unknown_and_says_why(study, listener, tmp_path):
    store = compute_study(study(["full"], model={"pooling": "misindexed"}, **SETTINGS), tmp_path / "out", listener())
    record, results = store.records()[0], build_results(store)
    assert representation(store, record.address, record.key)["reason"] == moved.NO_VECTORS
    assert results["details"][0]["cka"] == {"n": 0, "mean": None, "sd": None, "min": None, "max": None}
    table = details_table(results)
    place = [column.title for column in table.columns].index("CKA with the untouched model")
    assert table.rows[0][place].text == "—"


def test_trials_have_none(study, listener, tmp_path):
    store = compute_study(study(["full"], eval_on="dev", tune={"trials": 2}, **SETTINGS), tmp_path / "o", listener())
    assert len(list(store.root.rglob("representation.json"))) == len(store.records()) == 1
