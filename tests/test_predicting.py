"""New texts' labels and probabilities: those that training stored, in the file's order, whatever the chunks."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoTokenizer

import tuneoff
from tuneoff.errors import DataError, StoreError
from tuneoff.evidence.metrics import probabilities
from tuneoff.predicting import Predictor, predict
from tuneoff.reading import ReadStudy, study_from_mapping
from tuneoff.running import compute_study
from tuneoff.store import Store
from tuneoff.tasks.benchmark import DECLARED, composed
from tuneoff.tasks.registry import built_in_tasks
from tuneoff.tasks.table import Table
from tuneoff.trained import load_trained_classifier


@pytest.fixture
def finished(study, listener, tmp_path):
    """Return a function that computes a small study; gives its store and the file of its test split."""

    def compute(*techniques, out="out", **changes):
        store = compute_study(study(techniques or ("linear-probe",), **changes), tmp_path / out, listener())
        return store, tmp_path / "test.jsonl"

    return compute


def stored(store, address):
    """The logits of test that a run reported, in row order."""
    frame = store.predictions(address)
    frame = frame[(frame["split"] == "test") & (frame["step"] == store.record(address).reported_step)]
    return np.array(frame.sort_values("row")["logits"].to_list())


@pytest.mark.parametrize(
    ("family", "technique"),
    [
        *((family, "linear-probe") for family in ("bert", "roberta", "distilbert", "t5", "qwen3", "gemma3", "gpt2")),
        *((family, "lora") for family in ("roberta", "t5", "gemma3")),
    ],
)
def test_the_test_split_gets_what_is_stored_of_it(finished, family, technique):
    store, test = finished(technique, family=family)
    predictor = Predictor(store)
    found = list(predictor.read(test, size=5))
    expected = stored(store, predictor.address)
    assert [len(one.labels) for one in found] == [5, 5, 5, 2]
    assert np.concatenate([one.labels for one in found]).tolist() == expected.argmax(axis=1).tolist()
    shares = np.concatenate([one.probabilities for one in found])
    np.testing.assert_allclose(shares, probabilities(expected.astype(np.float64)), atol=2e-6)
    assert shares.std(axis=0).max() > 1e-3  # there is something to be wrong about


@pytest.mark.parametrize("family", ["bert", "qwen3"])
@pytest.mark.parametrize(
    "entry",
    [
        {"name": "knn"},
        {"name": "vote", "use": "knn", "features": "pair"},
        {"name": "regression", "use": "logistic-regression", "features": "pair"},
        *({"name": name, "virtual_tokens": 5, "learning_rate": 0.1} for name in ("prompt", "p-tuning", "prefix")),
    ],
    ids=lambda entry: entry["name"],
)
def test_so_does_what_is_no_linear_head_on_one_text(finished, family, entry):
    store, test = finished(entry, family=family)
    predictor = Predictor(store)
    heard = []
    found = list(predictor.read(test, size=5, progress=heard.append))
    expected = probabilities(stored(store, predictor.address).astype(np.float64))
    np.testing.assert_allclose(np.concatenate([one.probabilities for one in found]), expected, atol=2e-6)
    assert expected.std(axis=0).max() > 1e-3 and heard == sorted(heard) and heard[-1] == 1


@pytest.mark.parametrize("family", ["bert", "roberta"])
def test_a_text_that_leaves_virtual_tokens_no_room_is_cut_to_where_it_does(finished, family):
    store, _ = finished({"name": "prompt", "virtual_tokens": 5}, family=family)
    predictor = Predictor(store)
    room = predictor.trained.model.max_length
    assert room == 64 - 5 - (2 if family == "roberta" else 0)
    texts = [["cat"] * 2, ["the old man " * 30, "the old man " * 20 + "ran"]]  # both of room tokens at least
    long, cut = predictor.logits(tuple(texts))
    assert np.isfinite(long).all() and np.abs(long - cut).max() < 1e-6


@pytest.mark.parametrize("technique", ["full", "linear-probe+full", "linear-probe+lora"])
def test_so_it_does_after_two_stages(finished, technique):
    store, test = finished(technique, checkpoint="best", eval_on="dev")
    predictor = Predictor(store, technique=technique)
    (found,) = predictor.read(test)
    expected = probabilities(stored(store, predictor.address).astype(np.float64))
    np.testing.assert_allclose(found.probabilities, expected, atol=2e-6)


@pytest.mark.parametrize("size", [3, 8, 11, 100])
def test_logits_that_depend_on_the_batch_are_computed_in_the_batches_of_evaluation(finished, size):
    store, test = finished("full", family="qwen3", model={"pooling": "misindexed"})
    predictor = Predictor(store)
    found = np.concatenate([one.probabilities for one in predictor.read(test, size=size)])
    expected = probabilities(stored(store, predictor.address).astype(np.float64))
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_labels_are_the_largest_logit_of_each_text_alone(finished, tmp_path, model_folder):
    store, test = finished("full")
    (address,) = (record.address for record in store.records())
    classifier = load_trained_classifier(store, address).classifier
    tokenizer = AutoTokenizer.from_pretrained(model_folder("bert"))
    rows = [json.loads(line) for line in test.read_text(encoding="utf-8").splitlines()]
    alone = []
    for row in rows:
        encoded = tokenizer(row["premise"], row["hypothesis"], return_tensors="pt")
        with torch.no_grad():
            alone.append(classifier(encoded["input_ids"], encoded["attention_mask"])[0])
    frame = predict(store.root, test)
    classes = ["canine", "feline"]
    assert frame["label"].tolist() == [classes[int(logits.argmax())] for logits in alone]
    expected = torch.softmax(torch.stack(alone).double(), dim=1).numpy()
    np.testing.assert_allclose(frame[[f"probability_{name}" for name in classes]], expected, atol=2e-6)
    assert frame["row"].tolist() == list(range(17)) and set(frame["label"]) == set(classes)


@pytest.fixture
def predictor(finished):
    """A run's predictor."""
    return Predictor(finished()[0])


@pytest.mark.parametrize("size", [1, 2, 7, 16, 17, 18])
def test_chunks_change_nothing(predictor, tmp_path, size):
    whole = [row for one in predictor.read(tmp_path / "test.jsonl") for row in one.rows()]
    found = [row for one in predictor.read(tmp_path / "test.jsonl", size=size) for row in one.rows()]
    assert [row["row"] for row in found] == list(range(17))
    assert [row["label"] for row in found] == [row["label"] for row in whole]
    key = "probability_feline"
    np.testing.assert_allclose([row[key] for row in found], [row[key] for row in whole], atol=2e-6)


@pytest.mark.parametrize("column", ["idx", "id"])
def test_rows_keep_their_own_ids(predictor, tmp_path, column):
    path = tmp_path / "new.jsonl"
    rows = [{column: name, "premise": "a cat", "hypothesis": "the dog"} for name in (7, "x", None)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = [row for one in predictor.read(path, size=2) for row in one.rows()]
    assert [row[column] for row in found] == [7, "x", None] and list(found[0])[:3] == [column, "row", "label"]


def test_progress_goes_from_nothing_to_all(predictor, tmp_path):
    heard = []
    list(predictor.read(tmp_path / "test.jsonl", size=6, progress=heard.append))
    assert heard == sorted(heard) and 0 < heard[0] < 0.5 and heard[-1] == pytest.approx(1)


GOOD = {"premise": "a cat", "hypothesis": "the dog"}
BAD = {
    "missing": ({"premise": "a cat"}, r"new.jsonl, line 2, field 'hypothesis': the field is missing"),
    "null": (GOOD | {"premise": None}, r"new.jsonl, line 2, field 'premise': there is no value"),
    "number": (GOOD | {"premise": 3}, r"new.jsonl, line 2, field 'premise': 3 is not text"),
    "empty": (GOOD | {"hypothesis": " "}, r"new.jsonl, line 2, field 'hypothesis': the value is empty"),
}


@pytest.mark.parametrize("size", [1, 2, 3])
@pytest.mark.parametrize("kind", BAD)
def test_a_bad_row_is_told_with_file_line_and_field(predictor, tmp_path, kind, size):
    row, message = BAD[kind]
    path = tmp_path / "new.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in (GOOD, row, GOOD)), encoding="utf-8")
    with pytest.raises(DataError, match=message):
        list(predictor.read(path, size=size))


def test_a_column_that_is_not_there_is_told_with_those_that_are(predictor, tmp_path):
    path = tmp_path / "new.csv"
    path.write_text("premises,hypothesis\na,b\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"no column 'premise' .*Did you mean 'premises'.*: premises, hypothesis"):
        list(predictor.read(path))


def test_a_data_frame_is_predicted_as_its_file_is(finished):
    store, test = finished()
    frame = pd.read_json(test, lines=True)
    pd.testing.assert_frame_equal(tuneoff.predict(store.root, frame), tuneoff.predict(str(store.root), str(test)))
    with pytest.raises(DataError, match="the data frame has no rows"):
        predict(store.root, frame[:0])
    with pytest.raises(DataError, match=r"the data frame, row 1 \(counted from 0\), field 'premise': 3 is not text"):
        predict(store.root, pd.DataFrame([GOOD, GOOD | {"premise": 3}]))


def test_the_technique_must_be_named_and_the_seed_is_the_first_done(finished):
    store, test = finished("linear-probe", "full", seeds=[4, 2])
    with pytest.raises(StoreError, match=r"several techniques, name one by --technique: .*full"):
        Predictor(store)
    assert Predictor(store, technique="full").address.seed == 4
    assert Predictor(store, technique="full", seed=2).address.seed == 2
    with pytest.raises(StoreError, match="seed 3"):
        Predictor(store, technique="full", seed=3)
    one, other = (predict(store.root, test, technique="full", seed=seed) for seed in (4, 2))
    assert not np.allclose(one["probability_feline"], other["probability_feline"])


def test_a_folder_that_is_no_run_directory_is_refused(tmp_path):
    with pytest.raises(StoreError, match="not a run directory"):
        Predictor(Store.existing(tmp_path))


def test_so_they_are_under_whatever_name_the_study_has_for_the_task(tmp_path, listener, model_folder, monkeypatch):
    monkeypatch.setenv("TUNEOFF_CACHE", str(tmp_path / "cache"))
    words = ("cat", "dog")
    rows = [
        {"word": words[n % 2], "sentence1": f"the {words[n % 2]}", "sentence2": "a cat", "label": n % 3 == 0, "idx": n}
        for n in range(12)
    ]
    for name in ("train", "val"):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    asked = {
        "model": {"id": str(model_folder("bert"))},
        "task": {"name": "russe", "data": str(tmp_path), "called": "senses"},
        "techniques": ["linear-probe"],
        "protocol": {"steps": 2, "batch_size": 4, "seeds": 1, "eval_on": "test", "threads": 1},
    }
    read = ReadStudy(study_from_mapping(asked), tmp_path, "tests")
    store = compute_study(read, tmp_path / "out", listener(), ["leakage"])
    predictor = Predictor(store)
    (found,) = predictor.read(tmp_path / "val.jsonl")
    expected = probabilities(stored(store, predictor.address).astype(np.float64))
    np.testing.assert_allclose(found.probabilities, expected, atol=2e-6)


def test_texts_of_a_benchmark_are_composed_as_they_were_for_training():
    built_in_tasks()
    russe = {"word": "замок", "sentence1": "замок на двери", "sentence2": "старый замок", "idx": 4}
    table = Table("it", tuple(russe), [russe], [1])
    (row,) = composed(DECLARED["russe"], table).rows
    assert row == russe | {"sentence1": "замок: замок на двери", "sentence2": "замок: старый замок"}
    assert composed(DECLARED["terra"], table) is table
    mrpc = {"index": "0", "#1 String": "a cat", "#2 String": "a dog"}
    (row,) = composed(DECLARED["mrpc"], Table("it", tuple(mrpc), [mrpc], [1])).rows
    assert row == {"index": "0", "sentence1": "a cat", "sentence2": "a dog"}
    assert DECLARED["mrpc"].unquoted and not DECLARED["russe"].unquoted
    for bad, message in (
        (russe | {"word": None}, r"it, line 1, field 'word': there is no value"),
        (russe | {"sentence2": None}, r"it, line 1, field 'sentence2': there is no value"),
    ):
        with pytest.raises(DataError, match=message):
            composed(DECLARED["russe"], Table("it", tuple(bad), [bad], [1])).texts("sentence2")
