"""Built-in tasks: common checks for each, from the registry; names and keys that do not fit."""

import re
import subprocess
import sys

import pytest

from tuneoff.errors import DataError, StudyError
from tuneoff.study import TaskSpec
from tuneoff.tasks import builtin_names, check_task, known_labels, load_task, registry, task_name


@pytest.mark.parametrize("name", builtin_names())
def test_each_built_in_declares_its_labels_and_a_name_for_folders(name):
    spec = TaskSpec(name=name)
    labels = known_labels(spec)
    assert len(set(labels)) == len(labels) >= 2
    assert re.fullmatch("[a-z0-9-]+", task_name(spec))


@pytest.mark.parametrize("name", builtin_names())
def test_each_built_in_refuses_keys_that_do_not_fit(name):
    with pytest.raises(StudyError) as caught:
        check_task(TaskSpec(name=name, train="a.csv", text="a", hub="x/y"))
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["task.train", "task.hub", "task.text"]
    assert f"built-in task {name}, which takes name, called, limit, drop_overlap, " in caught.value.problems[0]


def test_names_are_those_that_can_be_trained_on():
    assert {"cola", "mini_rte", "mnli", "russe", "terra"} < set(builtin_names())
    assert not {"lidirus", "ax", "mnli_mismatched"} & set(builtin_names())


def test_unknown_name_gets_the_near_names_and_all_names():
    with pytest.raises(StudyError) as caught:
        check_task(TaskSpec(name="mini-rte"))
    message = str(caught.value)
    assert "task.name: there is no built-in task 'mini-rte'. Did you mean 'mini_rte'?" in message
    assert f"Built-in tasks: {', '.join(builtin_names())}." in message
    assert "train: FILE" in message


def test_empty_description_says_what_to_give():
    with pytest.raises(StudyError, match="neither name nor train nor hub is given"):
        check_task(TaskSpec())


def test_a_name_is_registered_once():
    task = registry.built_in_tasks()["terra"]
    with pytest.raises(ValueError, match="two built-in tasks are named terra"):
        registry.register(task)


def test_loading_imports_no_torch():
    code = (
        "import sys; from pathlib import Path; from tuneoff.study import TaskSpec; from tuneoff.tasks import load_task;"
        "load_task(TaskSpec(name='mini_rte'), need_dev=True, base=Path());"
        "print({'torch', 'transformers', 'datasets', 'pandas', 'pyarrow'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


ROWS = [
    {"premise": f"p{n // 2}", "hypothesis": f"h{n}", "label": "not_entailment" if n % 2 else "entailment", "idx": n}
    for n in range(40)
]


def terra(tmp_path, **keys):
    return load_task(TaskSpec(name="terra", data="terra", **keys), need_dev=False, base=tmp_path)


@pytest.mark.parametrize("validation", ["val", "validation"])
def test_terra_reports_on_its_validation(write, tmp_path, validation):
    write("terra/train.jsonl", ROWS[:30])
    write(f"terra/{validation}.jsonl", ROWS[28:])
    task = terra(tmp_path)
    assert task.classes == ("entailment", "not_entailment") == known_labels(TaskSpec(name="terra"))
    assert set(task.splits) == {"train", "test"}
    assert task.splits["test"].source_ids[:2] == ["val:28", "val:29"]
    assert task.splits["test"].groups[:2] == ["p14", "p14"]
    assert task.notes[0] == "2 of the 12 test rows share their premise with a row of train."


def test_terra_keeps_its_test_unlabelled_even_if_it_had_labels(write, tmp_path):
    for name in ("train", "val", "test"):
        write(f"terra/{name}.jsonl", ROWS)
    unlabelled = terra(tmp_path).splits["unlabelled"]
    assert unlabelled.labels is None
    assert unlabelled.source_ids[0] == "test:0"


def test_terra_names_the_files_it_misses(write, tmp_path):
    write("terra/train.jsonl", ROWS)
    with pytest.raises(DataError, match=r"has no val.jsonl. Expected there: .*validation.jsonl.*Found: train.jsonl"):
        terra(tmp_path)


def test_terra_refuses_two_validations(write, tmp_path):
    for name in ("train", "val", "validation"):
        write(f"terra/{name}.jsonl", ROWS)
    with pytest.raises(DataError, match=r"has both val.jsonl and validation.jsonl"):
        terra(tmp_path)


def test_terra_refuses_other_labels(write, tmp_path):
    write("terra/train.jsonl", [*ROWS, ROWS[0] | {"label": "Entailment"}])
    write("terra/val.jsonl", ROWS)
    with pytest.raises(DataError, match=r"train.jsonl, line 41, field 'label': 'Entailment' is no label of this task"):
        terra(tmp_path)


def test_terra_takes_a_revision_only_of_the_hub():
    with pytest.raises(StudyError, match=r"task.revision: belongs to the hub's copy"):
        check_task(TaskSpec(name="terra", data="x", revision="y"))


@pytest.mark.parametrize("language", ["ru", "en"])
@pytest.mark.parametrize(("label", "n_classes"), [("label", 2), ("phenomenon", 11), ("relation", 3)])
def test_mini_rte_is_complete_in_each_language_and_label(tmp_path, language, label, n_classes):
    spec = TaskSpec(name="mini_rte", language=language, label=label)
    task = load_task(spec, need_dev=True, base=tmp_path)
    assert {name: len(split) for name, split in task.splits.items()} == {"train": 450, "dev": 50, "test": 200}
    assert task.classes == known_labels(spec) == tuple(sorted(task.classes))
    assert len(task.classes) == n_classes == len(set(task.splits["train"].labels.tolist()))
    assert task.name == task_name(spec) == f"mini-rte-{language}-{label}"
    assert set(task.splits["test"].columns) == {"label", "phenomenon", "relation"} - {label}
    assert not set(task.splits["train"].groups) & {*task.splits["dev"].groups, *task.splits["test"].groups}
    assert not any("rows share" in note or "same text" in note for note in task.notes)


def test_mini_rte_languages_have_the_same_rows_in_the_same_order(tmp_path):
    russian, english = (
        load_task(TaskSpec(name="mini_rte", language=language), need_dev=True, base=tmp_path)
        for language in ("ru", "en")
    )
    assert russian.splits["test"].groups == english.splits["test"].groups
    assert russian.splits["test"].labels.tolist() == english.splits["test"].labels.tolist()
    assert russian.splits["dev"].source_ids != []


def test_mini_rte_is_russian_by_label_unless_told_otherwise():
    assert task_name(TaskSpec(name="mini_rte")) == "mini-rte-ru-label"


def test_mini_rte_names_what_it_does_not_have():
    with pytest.raises(StudyError) as caught:
        check_task(TaskSpec(name="mini_rte", language="de", label="phenomena"))
    assert caught.value.problems == [
        "task.language: mini_rte is there in ru, en, not in 'de'.",
        "task.label: mini_rte's labels are label, phenomenon, relation, not 'phenomena'. Did you mean 'phenomenon'?",
    ]


def test_a_task_described_whole_is_ones_own_whatever_its_name(tmp_path):
    for name in ("train", "test"):
        (tmp_path / f"{name}.csv").write_text("words,kind\na,x\nb,y\n" * 3, encoding="utf-8")
    spec = TaskSpec(name="rte", train="train.csv", test="test.csv", text=["words"], label="kind")
    check_task(spec)
    assert task_name(spec) == "rte" and known_labels(spec) is None
    with pytest.raises(StudyError, match=r"task\.train: does not fit the built-in task rte"):
        check_task(TaskSpec(name="rte", train="train.csv"))
