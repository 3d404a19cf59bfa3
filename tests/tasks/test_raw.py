"""Rows become a task: numbering of classes, refusals, limits, fingerprints."""

import hashlib
import json

import pytest

from tuneoff.errors import DataError
from tuneoff.study import TaskSpec
from tuneoff.tasks import load_task
from tuneoff.tasks.raw import fingerprint, order_classes
from tuneoff.tasks.splits import take


@pytest.fixture
def load(tmp_path):
    """Return a function that loads the task of tmp_path's train.jsonl and test.jsonl."""

    def load_files(need_dev=False, suffix="jsonl", **keys):
        keys = {"train": f"train.{suffix}", "test": f"test.{suffix}", "text": ["premise", "hypothesis"], **keys}
        return load_task(TaskSpec(**keys), need_dev=need_dev, base=tmp_path)

    return load_files


def test_numbers_are_ordered_as_numbers_and_text_by_code_point():
    assert order_classes(["10", "9", "-1"]) == ("-1", "9", "10")
    assert order_classes(["b", "B", "ё", "а"]) == ("B", "b", "а", "ё")
    assert order_classes(["10", "9", "x"]) == ("10", "9", "x")
    assert order_classes(["0", "-0", "7"]) == ("-0", "0", "7")


@pytest.mark.parametrize("need_dev", [True, False])
def test_the_same_data_in_any_format_have_the_same_fingerprint(write, load, pairs, need_dev):
    tasks = {}
    for suffix in ("jsonl", "csv", "tsv", "parquet"):
        write(f"train.{suffix}", pairs)
        write(f"test.{suffix}", pairs[10:20])
        tasks[suffix] = load(need_dev, suffix, group="topic")
        assert tasks[suffix].classes == ("9", "10")
    assert len({task.fingerprint for task in tasks.values()}) == 1
    assert len({tuple(task.splits["train"].rows) for task in tasks.values()}) == 1


def test_fingerprint_is_the_documented_hash(write, load, pairs):
    write("train.jsonl", pairs)
    write("test.jsonl", pairs[:2])
    lines = [[1, "tuneoff task", ["9", "10"]]]
    for name, rows in (("test", pairs[:2]), ("train", pairs)):
        lines.append([name, len(rows), 2])
        lines += [[row["premise"], row["hypothesis"], int(row["label"] == 10)] for row in rows]
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    assert load().fingerprint == hashlib.sha256(text.encode()).hexdigest()


def test_fingerprint_changes_with_each_thing_that_reaches_a_model(write, load, pairs):
    write("train.jsonl", pairs)
    write("test.jsonl", pairs[:4])
    task = load()
    prints = [task.fingerprint, load(need_dev=True).fingerprint, load(text=["hypothesis", "premise"]).fingerprint]
    turned = {"train": take(task.splits["train"], range(39, -1, -1)), "test": task.splits["test"]}
    prints += [fingerprint(task.classes, turned), fingerprint(task.classes[::-1], task.splits)]
    prints += [fingerprint(task.classes, {"train": task.splits["train"], "dev": task.splits["test"]})]
    write("test.jsonl", [*pairs[:3], pairs[3] | {"label": 10}])
    prints += [load().fingerprint]
    write("test.jsonl", [*pairs[:3], pairs[3] | {"hypothesis": "иная"}])
    prints += [load().fingerprint]
    assert len(set(prints)) == len(prints)
    write("test.jsonl", [row | {"id": "seven"} for row in pairs[:4]])
    assert load().fingerprint == task.fingerprint


def test_one_label_is_too_few(write, load, pairs):
    write("train.jsonl", pairs[::2])
    write("test.jsonl", pairs)
    with pytest.raises(DataError, match=r"train.jsonl: all 20 rows have the label '10'"):
        load()


def test_label_of_test_that_train_lacks_is_named_with_its_line(write, load, pairs):
    write("train.jsonl", pairs)
    write("test.jsonl", [*pairs[:5], pairs[5] | {"label": "nine"}])
    with pytest.raises(DataError, match=r"test.jsonl, line 6, .*: the label 'nine' does not occur in train.*10, 9"):
        load()


def test_label_that_is_declared_but_not_in_train_is_refused_in_test(tmp_path, load):
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features(
        dict.fromkeys(("premise", "hypothesis"), Value("string")) | {"label": ClassLabel(names=list("zyx"))}
    )
    for name, labels in (("train", [0, 2]), ("test", [2, 1])):
        texts = [f"{name} {label}" for label in labels]
        data = Dataset.from_dict({"premise": texts, "hypothesis": texts, "label": labels}, features=features)
        data.to_parquet(tmp_path / f"{name}.parquet")
    with pytest.raises(DataError, match=r"test.parquet, row 1 .*'y' does not occur in train.*x, z"):
        load(suffix="parquet")


def test_label_of_train_that_test_lacks_is_noted(write, load, pairs):
    write("train.jsonl", [*pairs, pairs[0] | {"label": 11}])
    write("test.jsonl", pairs)
    assert "Labels of train that do not occur in test: 11." in load().notes


def test_limit_takes_the_first_rows_before_dev_is_cut(write, load, pairs):
    write("train.jsonl", pairs)
    write("test.jsonl", pairs[:10])
    task = load(need_dev=True, limit=20, group="topic")
    assert {name: len(split) for name, split in task.splits.items()} == {"train": 18, "dev": 2, "test": 10}
    assert sorted([*task.splits["train"].rows, *task.splits["dev"].rows]) == list(range(20))
    assert task.notes[0] == "Of each split only the first 20 rows are used (limit)."


def test_limit_that_leaves_one_label_is_blamed(write, load, pairs):
    write("train.jsonl", sorted(pairs, key=lambda row: row["label"]))
    write("test.jsonl", pairs)
    with pytest.raises(DataError, match=r"20 rows and fewer than two labels: task.limit takes its first 20 rows"):
        load(limit=20)
    assert load(limit=21).classes == ("9", "10")


def test_drop_overlap_removes_the_train_rows_that_share_a_group(write, load, pairs):
    write("train.jsonl", pairs)
    write("test.jsonl", pairs[:6])
    task = load(drop_overlap=True, group="topic")
    assert list(task.splits["train"].rows) == list(range(6, 40))
    assert "6 of the 40 train rows were removed, as they share their topic with a row of dev or test." in task.notes
    assert load(group="topic").notes == (
        "6 of the 6 test rows share their topic with a row of train.",
        "6 of the 6 test rows stand in train with the same text.",
    )


def test_drop_overlap_that_leaves_nothing_is_blamed(write, load, pairs):
    write("train.jsonl", pairs)
    write("test.jsonl", pairs)
    with pytest.raises(DataError, match=r"train is left with 0 rows .*task.drop_overlap"):
        load(drop_overlap=True)


def test_given_dev_stays_as_given(write, load, pairs):
    for name, rows in (("train", pairs), ("dev", pairs[:4]), ("test", pairs[4:8])):
        write(f"{name}.jsonl", rows)
    for need_dev in (True, False):
        task = load(need_dev=need_dev, dev="dev.jsonl", group="topic")
        assert [len(task.splits[name]) for name in ("train", "dev", "test")] == [40, 4, 4]


def test_dev_is_cut_only_where_needed_and_said_so(write, load, pairs):
    write("train.jsonl", pairs)
    write("test.jsonl", pairs[:2])
    assert set(load().splits) == {"train", "test"}
    task = load(need_dev=True, group="topic")
    assert (
        "dev is 4 of the 40 rows of train, cut out in proportion to the labels, rows with the same topic on one side."
        in task.notes
    )
    split_premises = [note for note in load(need_dev=True).notes if "dev rows share their premise" in note]
    assert len(split_premises) == 1


def test_ids_groups_and_other_columns_are_kept_as_text(write, load, pairs):
    rows = [row | {"id": n, "score": 0.5, "nested": [1]} for n, row in enumerate(pairs)]
    del rows[3]["id"], rows[3]["score"]
    write("train.jsonl", rows)
    write("test.jsonl", pairs)
    train = load(group="topic").splits["train"]
    assert train.source_ids[:5] == ["0", "1", "2", None, "4"]
    assert train.groups[:4] == ["0", "0", "1", "1"]
    assert {name: values[2:4] for name, values in train.columns.items()} == {"score": ["0.5", ""]}
