import numpy as np
import pandas as pd
import pytest

from tuneoff.errors import StoreError
from tuneoff.evidence import task_files
from tuneoff.evidence.task_files import baseline_rows, keep_baselines, keep_task_files, kept_rows
from tuneoff.files import sha256
from tuneoff.store import Store
from tuneoff.tasks import Split, StudyTask, TaskData

WORDS = np.array(["rain", "sun", "snow", "wind", "fog", "hail"])


def split(name, rows, seed, *, groups=None, columns=None, first_row=0):
    """Rows whose second text has 'never' in it where the label is 1."""
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % 3 % 2  # class 0 is the commonest
    first = [" ".join(rng.choice(WORDS, 3)) for _ in range(rows)]
    second = [" ".join([*rng.choice(WORDS, 2), *(["never"] if label else [])]) for label in labels]
    numbers = np.arange(first_row, first_row + rows, dtype=np.int64)
    return Split(name, (first, second), labels.astype(np.int64), numbers, [None] * rows, groups, columns or {})


def task(fingerprint="a" * 64, test=None, train=None, fields=("premise", "hypothesis")):
    splits = {"train": train or split("train", 60, 1), "test": test or split("test", 30, 2)}
    return TaskData("words", "words", ("no", "yes"), fields, splits, fingerprint, "made up")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


def test_baselines_are_kept_with_the_predictions_that_give_their_accuracy(store):
    data, said = task(), []
    keep_baselines(store, "words", data, said.append)
    rows = {row["name"]: row for row in baseline_rows(store, "words", data.fingerprint)}
    assert list(rows) == ["majority", "tfidf", "tfidf_second"] and len(said) == 1
    test = data.splits["test"]
    assert rows["majority"]["accuracy"] == pytest.approx(20 / 30)  # labels are 0, 1, 0, 0, 1, 0, ...
    assert rows["tfidf_second"]["accuracy"] == 1.0  # the word 'never' gives them away
    for name, row in rows.items():
        path = store.root / row["source"]["file"]
        frame = pd.read_parquet(path)
        assert row["source"]["sha256"] == sha256(path) and row["examples"] == 30 and row["note"] is None
        assert frame["label"].tolist() == test.labels.tolist() and frame["row"].tolist() == test.rows.tolist()
        assert np.mean([a == b for a, b in zip(frame[name], test.labels, strict=True)]) == row["accuracy"]


def test_baselines_are_computed_again_for_other_data_alone(store):
    said = []
    keep_baselines(store, "words", task(), said.append)
    before = (store.root / "tasks" / "words" / "baselines.json").read_bytes()
    keep_baselines(store, "words", task(), said.append)
    assert len(said) == 1 and (store.root / "tasks" / "words" / "baselines.json").read_bytes() == before
    keep_baselines(store, "words", task("b" * 64), said.append)
    assert len(said) == 2 and baseline_rows(store, "words", "b" * 64) is not None
    assert baseline_rows(store, "words", "a" * 64) is None  # of other data than the task's description


def test_other_groups_are_other_data_to_the_choice_of_the_penalty(store):
    said = []
    for groups in (None, ["a", "b"] * 30):
        keep_baselines(store, "words", task(train=split("train", 60, 1, groups=groups)), said.append)
    assert len(said) == 2


@pytest.mark.parametrize("by", ["rows", "characters"])
def test_of_a_very_large_train_the_first_rows_are_used_and_it_is_said(store, monkeypatch, by):
    data = task()
    if by == "rows":
        monkeypatch.setattr(task_files, "MOST_ROWS", 12)
    else:  # two classes: each character counts twice
        characters = sum(len(text) for texts in data.splits["train"].texts for text in texts[:12])
        monkeypatch.setattr(task_files, "MOST_CHARACTERS", 2 * characters + 1)
    seen = []
    real = task_files.text_baselines
    monkeypatch.setattr(task_files, "text_baselines", lambda given: seen.append(given) or real(given))
    keep_baselines(store, "words", data, lambda _: None)
    train = data.splits["train"]
    assert [list(texts) for texts in seen[0].train_texts] == [texts[:12] for texts in train.texts]
    assert seen[0].train_labels.tolist() == train.labels[:12].tolist()
    notes = {row["note"] for row in baseline_rows(store, "words", data.fingerprint)}
    assert notes == {"of the 60 rows of train the first 12 were used"}


def test_what_cannot_be_computed_has_its_reason_and_no_number(store):
    empty = Split("train", (["."] * 6,), np.array([0, 1] * 3), np.arange(6), [None] * 6)
    data = task(train=empty, test=Split("test", (["rain"],), np.array([0]), np.arange(1), [None]), fields=("text",))
    keep_baselines(store, "words", data, lambda _: None)
    rows = {row["name"]: row for row in baseline_rows(store, "words", data.fingerprint)}
    assert rows.keys() == {"majority", "tfidf"}
    assert rows["tfidf"]["accuracy"] is None and rows["tfidf"]["reason"] == "train has no words"


def test_columns_that_cut_test_are_kept_and_others_are_not(store):
    columns = {"kind": ["x", "y", "z"] * 10, "note": [str(n) for n in range(30)], "same": ["s"] * 30}
    groups = [f"g{n // 2}" for n in range(30)]
    test = split("test", 30, 2, groups=groups, columns=columns, first_row=100)
    train = split("train", 60, 1, groups=[f"g{n % 5}" for n in range(60)])
    keep_task_files(store, "words", StudyTask(task(test=test, train=train), {None: task()}), lambda _: None)
    found = kept_rows(store, "words")
    assert list(found.rows) == list(range(100, 130)) and list(found.groups) == groups
    assert {name: list(values) for name, values in found.slices.items()} == {
        "kind": columns["kind"],
        "group in train": ["seen in train"] * 10 + ["not seen in train"] * 20,
    }


def test_without_groups_it_is_the_first_text_that_stands_in_train(store):
    train, test = split("train", 60, 1), split("test", 30, 2)
    test.texts[0][:10] = train.texts[0][:10]
    known = set(train.texts[0])
    keep_task_files(store, "words", StudyTask(task(test=test, train=train), {None: task()}), lambda _: None)
    found = kept_rows(store, "words")
    assert found.groups is None and found.slices.keys() == {"premise in train"}
    assert [value == "seen in train" for value in found.slices["premise in train"]] == [
        text in known for text in test.texts[0]
    ]


def test_names_of_columns_do_not_clash_with_those_of_the_file(store):
    columns = {"row": ["x", "y"] * 15, "group": ["u", "u", "v"] * 10}
    test = split("test", 30, 2, columns=columns)
    keep_task_files(store, "words", StudyTask(task(test=test), {None: task()}), lambda _: None)
    found = kept_rows(store, "words")
    assert found.groups is None and list(found.rows) == list(range(30))
    assert {name: list(found.slices[name]) for name in columns} == columns


def test_with_folds_there_are_slices_but_no_baselines_nor_train_to_be_seen_in(store):
    data = task(test=split("test", 30, 2, columns={"kind": ["x", "y"] * 15}))
    keep_task_files(store, "words", StudyTask(data, {None: data}), lambda _: None)
    assert baseline_rows(store, "words", data.fingerprint) is not None
    said = []
    keep_task_files(store, "words", StudyTask(data, {0: data, 1: data}), said.append)
    assert said == [] and baseline_rows(store, "words", data.fingerprint) is None
    assert list(kept_rows(store, "words").slices) == ["kind"]


def test_a_run_directory_without_them_has_none(store):
    assert kept_rows(store, "words") is None and baseline_rows(store, "words", "a" * 64) is None


def test_a_broken_file_is_named_with_what_to_do(store):
    path = store.root / "tasks" / "words" / "test.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no parquet")
    with pytest.raises(StoreError, match=r"test\.parquet: cannot be read .* delete it and run the study again"):
        kept_rows(store, "words")
