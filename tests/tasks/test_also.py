"""Further test sets: read and checked as test is, outside the task's fingerprint."""

import pytest

from tuneoff.errors import DataError, StudyError
from tuneoff.reading import study_from_mapping
from tuneoff.study import TaskSpec
from tuneoff.tasks import check_task, load_study_task, load_task

FILES = {"train": "train.csv", "test": "test.csv", "text": ["premise", "hypothesis"], "group": "topic"}


@pytest.fixture
def load(write, pairs, tmp_path):
    """Return a function that loads a task of files with further test sets."""
    write("train.csv", pairs)
    write("test.csv", pairs[4:8])

    def load_files(need_dev=False, **keys):
        return load_task(TaskSpec(**{**FILES, **keys}), need_dev=need_dev, base=tmp_path)

    return load_files


def far(pairs, **changes):
    return [{key: value for key, value in row.items() if key != "topic"} | changes for row in pairs[:6]]


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_they_are_splits_of_their_own_and_change_nothing_else(write, load, pairs, suffix):
    write(f"far.{suffix}", far(pairs, premise="elsewhere"))
    plain, more = load(need_dev=True), load(need_dev=True, also_test={"far": f"far.{suffix}"})
    split = more.splits["also:far"]
    assert split.texts[0] == ["elsewhere"] * 6 and split.labels.tolist() == [0 if n % 2 else 1 for n in range(6)]
    assert split.groups is None  # no column of groups is asked for
    assert more.fingerprint == plain.fingerprint and list(more.also) == ["far"] and plain.also == {}
    assert [list(more.splits[name].rows) for name in plain.splits] == [list(one.rows) for one in plain.splits.values()]


def test_its_hash_is_that_of_its_texts_and_labels_in_order(write, load, pairs):
    rows = far(pairs)
    for name, content in {"one": rows, "two": rows, "less": rows[1:], "other": far(pairs, label=9)}.items():
        write(f"{name}.jsonl", content)
    also = load(also_test={name: f"{name}.jsonl" for name in ("one", "two", "less", "other")}).also
    assert also["one"] == also["two"] and len(set(also.values())) == 3


def test_the_limit_holds_for_them_and_overlap_with_train_is_told(write, load, pairs):
    write("far.csv", far(pairs))
    task = load(also_test={"far": "far.csv"}, limit=5)
    assert len(task.splits["also:far"]) == 5
    assert "5 of the 5 also:far rows stand in train with the same text." in task.notes
    dropped = load(also_test={"far": "far.csv"}, drop_overlap=True)
    assert len(dropped.splits["train"]) == len(load(drop_overlap=True).splits["train"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": 3}, r"^far.csv, line 2, field 'label': '3' is no label of this task|'3' does not occur in train"),
        ({"hypothesis": " "}, r"^far.csv, line 2, field 'hypothesis': the value is empty"),
    ],
)
def test_errors_name_file_line_and_field(write, load, pairs, changes, message):
    rows = [{**row, "premise": "x"} for row in far(pairs, **changes)]
    write("far.csv", rows)
    with pytest.raises(DataError, match=message):
        load(also_test={"far": "far.csv"})


def test_a_missing_file_a_missing_column_and_the_same_file_are_refused(write, load, pairs):
    with pytest.raises(DataError, match=r"task.also_test.far: there is no file 'fra.csv'"):
        load(also_test={"far": "fra.csv"})
    write("far.csv", [{"premise": "x", "label": 9}])
    with pytest.raises(DataError, match=r"^far.csv: there is no column 'hypothesis' \(task.text\)"):
        load(also_test={"far": "far.csv"})
    with pytest.raises(DataError, match=r"task.also_test.far and test are the same, test.csv"):
        load(also_test={"far": "test.csv"})


def test_a_built_in_task_names_its_other_language_by_the_same_label(tmp_path):
    english = {"english": {"name": "mini_rte", "language": "en"}}
    task = load_task(TaskSpec(name="mini_rte", label="relation", also_test=english), need_dev=False, base=tmp_path)
    plain = load_task(TaskSpec(name="mini_rte", language="en", label="relation"), need_dev=False, base=tmp_path)
    assert task.splits["also:english"].texts == plain.splits["test"].texts
    assert task.splits["also:english"].labels.tolist() == plain.splits["test"].labels.tolist()
    with pytest.raises(DataError, match=r"are the same, mini_rte/ru/test\.jsonl"):
        load_task(TaskSpec(name="mini_rte", also_test={"same": {"name": "mini_rte"}}), need_dev=False, base=tmp_path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "mini-rte"}, r"^task.also_test: 'far' names no built-in task. Did you mean 'mini_rte'\?"),
        ({"name": "mini_rte", "label": "relation"}, r"'far' has label; mini_rte takes name, language here"),
        ({"name": "mini_rte", "language": "de"}, r"^task.also_test: 'far': task.language: .* not in 'de'"),
    ],
)
def test_what_is_no_built_in_task_is_refused_before_data_are_read(given, message):
    with pytest.raises(StudyError, match=message):
        check_task(TaskSpec(name="mini_rte", also_test={"far": given}))


@pytest.mark.parametrize("also", [{"Far Away": "far.csv"}, {"far": 3}, ["far.csv"]])
def test_names_are_plain_and_values_are_texts_or_tasks(also):
    study = {"model": "org/model", "task": {"name": "mini_rte", "also_test": also}}
    with pytest.raises(StudyError, match=r"task.also_test(\.\w+.*)?: "):
        study_from_mapping(study)


def test_each_fold_has_them_whole(write, load, pairs, tmp_path):
    write("far.csv", far(pairs))
    study = {"model": "org/model", "task": FILES, "protocol": {"folds": 3, "eval_on": "test"}}
    plain = load_study_task(study_from_mapping(study), tmp_path)
    more = load_study_task(study_from_mapping({**study, "task": {**FILES, "also_test": {"far": "far.csv"}}}), tmp_path)
    assert more.whole.fingerprint == plain.whole.fingerprint
    for fold, data in more.by_fold.items():
        assert len(data.splits["also:far"]) == 6 and data.fingerprint == plain.by_fold[fold].fingerprint
