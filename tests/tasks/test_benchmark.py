"""The tasks of GLUE and Russian SuperGLUE: out of the archives and from the hub they are the same."""

import json

import pytest
from datasets import DatasetDict

from tests.tasks.layouts import ALL, RUSSIAN, THREE, on_hub, write_archive
from tuneoff.errors import DataError, StudyError
from tuneoff.evidence.metrics import METRICS
from tuneoff.study import TaskSpec
from tuneoff.tasks import check_task, known_labels, load_task, task_name
from tuneoff.tasks.registry import built_in_tasks, refused_tasks


@pytest.fixture
def hub(monkeypatch):
    """A hub that has every task, and keeps what it was asked for."""
    asked = []

    def load_dataset(path, **given):
        asked.append((path, given))
        return DatasetDict(on_hub(given["name"]))

    monkeypatch.setattr("datasets.load_dataset", load_dataset)
    return asked


@pytest.mark.parametrize("name", ALL)
def test_the_archive_and_the_hub_give_one_task(name, hub, tmp_path):
    layout = ALL[name]
    write_archive(tmp_path, name)
    files = load_task(TaskSpec(name=name, data=str(tmp_path)), need_dev=True, base=tmp_path)
    found = load_task(TaskSpec(name=name), need_dev=True, base=tmp_path)
    assert hub == [(layout.hub, {"name": name, "revision": None})]
    assert files.classes == found.classes == known_labels(TaskSpec(name=name)) == layout.classes
    assert files.fingerprint == found.fingerprint and files.notes == found.notes
    assert {split: len(part) for split, part in files.splits.items()} == {
        "train": 36,
        "dev": 4,
        "test": 6,
        "unlabelled": 4,
    }
    rows = layout.rows(6)
    test = files.splits["test"]
    assert test.labels.tolist() == [row["label"] for row in rows]
    before = [f"{row['word']}: " if name == "russe" else "" for row in rows]
    for texts, column in zip(test.texts, layout.texts, strict=True):
        assert texts == [word + row[column] for word, row in zip(before, rows, strict=True)]
    assert files.splits["unlabelled"].labels is None
    prefix = "val" if layout.hub == RUSSIAN else "validation"
    assert test.source_ids == found.splits["test"].source_ids == [f"{prefix}:{n}" for n in range(6)]


@pytest.mark.parametrize("name", [name for name, layout in ALL.items() if layout.group])
def test_dev_shares_no_group_with_train(name, tmp_path):
    write_archive(tmp_path, name)
    splits = load_task(TaskSpec(name=name, data=str(tmp_path)), need_dev=True, base=tmp_path).splits
    groups = {split: set(splits[split].groups) for split in ("train", "dev")}
    assert len(groups["dev"]) == 2 and not groups["train"] & groups["dev"]
    row = ALL[name].rows(1)[0]
    assert row[ALL[name].group] in groups["train"] | groups["dev"]


@pytest.mark.parametrize("name", ["rte", "rcb"])
def test_the_folder_is_the_tasks_own_or_the_one_that_it_is_in(name, tmp_path):
    folder = write_archive(tmp_path, name)
    tasks = [load_task(TaskSpec(name=name, data=str(one)), need_dev=False, base=tmp_path) for one in (folder, tmp_path)]
    assert tasks[0].fingerprint == tasks[1].fingerprint
    (folder / ("train.tsv" if name == "rte" else "train.jsonl")).unlink()
    own = ALL[name].folder
    with pytest.raises(DataError, match=rf"{own} has no train\..*Expected there: .*or all of them in a folder {own}\."):
        load_task(TaskSpec(name=name, data=str(tmp_path)), need_dev=False, base=tmp_path)


@pytest.mark.parametrize("name", ["mnli", "rcb"])
def test_what_is_kept_for_slices_is_what_the_declaration_names(name, tmp_path):
    write_archive(tmp_path, name)
    task = load_task(TaskSpec(name=name, data=str(tmp_path)), need_dev=False, base=tmp_path)
    assert set(task.splits["test"].columns) == {"mnli": {"genre"}, "rcb": {"verb", "negation"}}[name]


def test_the_word_of_russe_stands_before_each_sentence_and_its_senses_nowhere(tmp_path):
    write_archive(tmp_path, "russe")
    task = load_task(TaskSpec(name="russe", data=str(tmp_path)), need_dev=False, base=tmp_path)
    test = task.splits["test"]
    assert (test.texts[0][2], test.texts[1][2]) == ('слово1: "sentence1 2', 'слово1: "sentence2 2')
    assert test.groups == ["слово0", "слово0", "слово1", "слово1", "слово2", "слово2"] and not test.columns
    assert "The word stands before each of its texts, with a colon." in task.notes


@pytest.mark.parametrize(("false", "true"), [(False, True), ("false", "true"), (0, 1), ("False", "True")])
def test_answers_are_read_however_they_are_spelled(false, true, tmp_path):
    folder = write_archive(tmp_path, "danetqa")
    for path in (folder / "train.jsonl", folder / "val.jsonl"):
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        rows = [row | {"label": true if row["label"] else false} for row in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    task = load_task(TaskSpec(name="danetqa", data=str(folder)), need_dev=False, base=tmp_path)
    assert task.splits["test"].labels.tolist() == [0, 1, 0, 1, 0, 1]


def test_rows_without_a_text_and_lines_that_are_no_rows_are_left_out_and_said(tmp_path):
    folder = write_archive(tmp_path, "qqp")
    train = folder / "train.tsv"
    lines = train.read_text("utf-8").splitlines()
    row = "{0}\t1\t2\tq {0}\tr {0}\t0"
    lines += [row.format(n) for n in range(200)] + ["300\t1\t2\tq", "301\t1\t2\tq\t \t1", "302\t1\t2\t\tr\t0"]
    train.write_text("\n".join(lines), "utf-8")
    task = load_task(TaskSpec(name="qqp", data=str(folder)), need_dev=False, base=tmp_path)
    assert len(task.splits["train"]) == 240
    assert "1 of the 243 lines of train.tsv are no rows and were left out." in task.notes
    assert "2 of the 242 train rows have an empty text and were left out." in task.notes


def test_the_metric_of_the_benchmark_is_said(tmp_path):
    write_archive(tmp_path, "cola")
    task = load_task(TaskSpec(name="cola", data=str(tmp_path)), need_dev=False, base=tmp_path)
    assert task.notes[-1] == "On CoLA, GLUE reports Matthews' correlation (mcc)."


def test_a_label_of_another_task_is_refused_with_its_place(tmp_path):
    folder = write_archive(tmp_path, "rte")
    path = folder / "dev.tsv"
    path.write_text(path.read_text("utf-8").replace("\tentailment", "\tentails", 1), "utf-8")
    with pytest.raises(DataError, match=r"dev.tsv, line 2, field 'label': 'entails' is no label of this task"):
        load_task(TaskSpec(name="rte", data=str(folder)), need_dev=False, base=tmp_path)


def test_a_file_with_other_columns_is_refused(tmp_path):
    folder = write_archive(tmp_path, "mrpc")
    (folder / "dev.tsv").write_text("Quality\ta\tb\n1\tx\ty\n", "utf-8")
    with pytest.raises(DataError, match=r"dev.tsv: there is no column '#1 String'"):
        load_task(TaskSpec(name="mrpc", data=str(folder)), need_dev=False, base=tmp_path)


def test_tasks_out_of_scope_are_refused_with_the_reason():
    assert list(refused_tasks()) == ["muserc", "parus", "rucos", "rwsd", "stsb"]
    for name in ("PARus", "STS-B", "stsb", "RWSD", "MuSeRC", "RuCoS"):
        reason = refused_tasks()[name.lower().replace("-", "")]
        with pytest.raises(StudyError) as caught:
            check_task(TaskSpec(name=name))
        assert f"task.name: {name} is not offered: it is {reason}." in str(caught.value)
        with pytest.raises(StudyError, match=rf"'x': {name} is not offered: it is "):
            check_task(TaskSpec(name="terra", also_test={"x": {"name": name}}))


@pytest.mark.parametrize(("given", "near"), [("cloa", "cola"), ("SST-2", "sst2"), ("DanetQA", "danetqa")])
def test_near_names_are_offered(given, near):
    with pytest.raises(StudyError, match=rf"no built-in task '{given}'. Did you mean '{near}'\?"):
        check_task(TaskSpec(name=given))


@pytest.mark.parametrize("name", ALL)
def test_a_revision_is_the_hubs_alone(name):
    with pytest.raises(StudyError, match=r"task.revision: belongs to the hub's copy"):
        check_task(TaskSpec(name=name, data="x", revision="y"))


def test_every_task_of_the_two_benchmarks_is_tested_here():
    tested = {*ALL, "lidirus", "ax", "mnli_mismatched", "mini_rte"}
    assert set(built_in_tasks()) == tested and task_name(TaskSpec(name="sst2")) == "sst2"


def test_a_script_is_read_from_the_hubs_parquet_branch_with_its_own_reader(tmp_path, monkeypatch):
    """The folder is laid out as that branch: rcb/train/0000.parquet; the repository itself is a script."""
    import datasets

    for split, data in on_hub("rcb").items():
        path = tmp_path / "copy" / "rcb" / split / "0000.parquet"
        path.parent.mkdir(parents=True)
        data.to_parquet(path)
    real = datasets.load_dataset

    def load_dataset(path, revision=None, **asked):
        assert path == RUSSIAN
        if revision is None:
            raise RuntimeError("Dataset scripts are no longer supported, but found russian_super_glue.py")
        return real(str(tmp_path / "copy"), cache_dir=str(tmp_path / "cache"), **asked)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    task = load_task(TaskSpec(name="rcb"), need_dev=False, base=tmp_path)
    assert task.classes == THREE and task.splits["test"].labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert task.source.endswith("rcb on the hub, from the hub's Parquet copy (refs/convert/parquet)")


def test_a_benchmarks_own_metric_is_one_that_is_measured():
    own = {name: task.metric for name, task in built_in_tasks().items() if task.metric}
    f1 = dict.fromkeys(("mrpc", "qqp"), "f1")
    assert own == {**dict.fromkeys(("cola", "ax", "lidirus"), "mcc"), **f1, "rcb": "macro_f1"}
    assert set(own.values()) <= METRICS.keys()
