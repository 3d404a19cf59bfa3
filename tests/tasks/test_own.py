"""Descriptions of one's own files: what is missing or does not belong is said, all at once."""

import pytest

from tuneoff.errors import DataError, StudyError
from tuneoff.study import TaskSpec
from tuneoff.tasks import check_task, known_labels, load_task, task_name

FILES = {"train": "data/train.csv", "test": "test.csv", "text": ["a", "b"]}

PROBLEMS = [
    ({"test": None}, [r"task.test: name the file with the rows to report on, which"]),
    ({"test": None, "dev": "dev.csv"}, [r"task.test: .*; if dev is all there is, name it test"]),
    ({"train": None, "hub": "who/what", "text": None}, [r"task.text: name the columns"]),
    ({"text": ["a", "a"]}, [r"task.text, task.label: a is named twice"]),
    ({"text": ["a", "label"]}, [r"task.text, task.label: label is named twice"]),
    (
        {"config": "x", "language": "ru"},
        [r"task.language: is for built-in", r"task.config: is for data sets of the hub"],
    ),
]


@pytest.mark.parametrize(("keys", "messages"), PROBLEMS)
def test_problems_are_named_all_at_once(keys, messages):
    import re

    with pytest.raises(StudyError) as caught:
        check_task(TaskSpec(**FILES | keys))
    assert len(caught.value.problems) == len(messages)
    for problem, message in zip(caught.value.problems, messages, strict=True):
        assert re.match(message, problem)


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({}, "train"),
        ({"name": "Reviews of 2024"}, "reviews-of-2024"),
        ({"name": "отзывы"}, "task"),
        ({"train": "my_Rows.v2.jsonl"}, "my-rows-v2"),
    ],
)
def test_name_in_folders(keys, name):
    assert task_name(TaskSpec(**FILES | keys)) == name


def test_labels_of_files_are_not_known_before_reading():
    assert known_labels(TaskSpec(**FILES)) is None


def test_one_text_column_is_enough(write, tmp_path):
    write("data/train.csv", [{"a": f"text {n}", "kind": "xy"[n % 2]} for n in range(20)])
    write("test.csv", [{"a": "new", "kind": "y"}, {"a": "newer", "kind": "x"}])
    task = load_task(TaskSpec(**FILES | {"text": "a", "label": "kind"}), need_dev=True, base=tmp_path)
    assert task.text_fields == ("a",)
    assert task.splits["test"].texts == (["new", "newer"],)
    assert task.splits["test"].labels.tolist() == [1, 0]
    assert task.source == "files train.csv, test.csv"
    assert task.label == "train"


def test_one_file_for_two_splits_is_refused(write, tmp_path):
    write("data/train.csv", [{"a": "x", "b": "y", "label": 0}])
    with pytest.raises(DataError, match=r"task.train and task.test are the same, .*data/train.csv"):
        load_task(TaskSpec(**FILES | {"test": "data/../data/train.csv"}), need_dev=False, base=tmp_path)


def test_messages_call_a_file_as_the_study_does(write, tmp_path):
    write("data/train.csv", [{"a": "x", "b": "y", "kind": 0}])
    write("test.csv", [{"a": "x", "b": "y", "kind": 0}])
    with pytest.raises(DataError, match=r"^data/train.csv: there is no column 'label' \(task.label\)"):
        load_task(TaskSpec(**FILES), need_dev=False, base=tmp_path)
