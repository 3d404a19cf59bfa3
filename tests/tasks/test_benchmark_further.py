"""The further test sets of the two benchmarks."""

import json

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from tests.tasks.layouts import ENTAILMENT, MNLI, write_archive
from tuneoff.errors import DataError, StudyError
from tuneoff.reading import read_study, resolved_yaml, study_from_mapping
from tuneoff.study import TaskSpec
from tuneoff.tasks import check_task, load_task


def mismatched(root):
    header = [*MNLI.split(), "label1", "gold_label"]
    row = {"sentence1": "far", "sentence2": '"away', "gold_label": "neutral", "genre": "oup"}
    lines = ["\t".join(header), *("\t".join(row.get(name, "x") for name in header) for _ in range(3))]
    (root / "MNLI" / "dev_mismatched.tsv").write_text("\n".join(lines), "utf-8")


def test_mnli_comes_with_its_mismatched_set(tmp_path):
    write_archive(tmp_path, "mnli")
    mismatched(tmp_path)
    given = {"name": "mnli", "data": str(tmp_path)}
    spec = study_from_mapping({"model": "org/model", "task": given}).task
    assert spec.also_test == {"mismatched": {"name": "mnli_mismatched", "data": str(tmp_path)}}
    task = load_task(spec, need_dev=False, base=tmp_path)
    also = task.splits["also:mismatched"]
    assert also.texts == (["far"] * 3, ['"away'] * 3) and also.labels.tolist() == [1, 1, 1]
    assert also.columns == {"genre": ["oup"] * 3}
    for other in ({}, {"rte": {"name": "rte"}}):
        assert study_from_mapping({"model": "m/m", "task": given | {"also_test": other}}).task.also_test == other


@pytest.mark.parametrize("task", [{"name": "mnli"}, {"name": "mnli", "also_test": {}}, {"name": "cola"}])
def test_a_study_written_out_and_read_again_has_the_same_test_sets(task, tmp_path):
    study = study_from_mapping({"model": "org/model", "task": task})
    (tmp_path / "study.yaml").write_text(resolved_yaml(study), "utf-8")
    assert read_study(str(tmp_path / "study.yaml")).study.task.also_test == study.task.also_test
    assert bool(study.task.also_test) == (task == {"name": "mnli"})


def lidirus(root):
    folder = root / "LiDiRus"
    folder.mkdir()
    rows = [
        {"sentence1": f"a {n}", "sentence2": "b", "label": ENTAILMENT[n % 2], "idx": n, "logic": "Negation"}
        for n in range(6)
    ]
    rows[3]["knowledge"] = "World"
    (folder / "LiDiRus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def test_lidirus_is_a_further_test_set_of_terra(tmp_path):
    write_archive(tmp_path, "terra")
    lidirus(tmp_path)
    also = {"lidirus": {"name": "lidirus", "data": str(tmp_path)}}
    task = load_task(TaskSpec(name="terra", data=str(tmp_path), also_test=also), need_dev=True, base=tmp_path)
    split = task.splits["also:lidirus"]
    assert task.text_fields == ("premise", "hypothesis")
    assert split.texts == ([f"a {n}" for n in range(6)], ["b"] * 6) and split.labels.tolist() == [0, 1] * 3
    assert split.columns == {"logic": ["Negation"] * 6, "knowledge": ["", "", "", "World", "", ""]}
    assert task.notes[-1] == "lidirus: On LiDiRus, Russian SuperGLUE reports Matthews' correlation (mcc)."
    plain = load_task(TaskSpec(name="terra", data=str(tmp_path)), need_dev=True, base=tmp_path)
    assert task.fingerprint == plain.fingerprint


def test_lidirus_of_the_hub_and_of_the_files_are_one(tmp_path, monkeypatch):
    write_archive(tmp_path, "terra")
    lidirus(tmp_path)
    names = ("sentence1", "sentence2", "knowledge", "lexical-semantics", "logic", "predicate-argument-structure")
    features = dict.fromkeys(names, Value("string")) | {"label": ClassLabel(names=ENTAILMENT), "idx": Value("int32")}
    rows = [json.loads(line) for line in (tmp_path / "LiDiRus/LiDiRus.jsonl").read_text("utf-8").splitlines()]
    rows = [dict.fromkeys(names, "") | row for row in rows]
    data = DatasetDict({"test": Dataset.from_list(rows, features=Features(features))})
    monkeypatch.setattr("datasets.load_dataset", lambda path, **_: data)
    found = [
        load_task(TaskSpec(name="terra", data=".", also_test={"l": given}), need_dev=False, base=tmp_path).also["l"]
        for given in ({"name": "lidirus"}, {"name": "lidirus", "data": str(tmp_path)})
    ]
    assert found[0] == found[1]


def test_labels_of_ax_are_in_its_full_file_alone(tmp_path):
    write_archive(tmp_path, "mnli")
    study = {"name": "mnli", "data": str(tmp_path), "also_test": {"ax": {"name": "ax"}}}
    with pytest.raises(StudyError, match=r"'ax': task.data: AX has no labels on the hub, .*diagnostic-full.tsv"):
        check_task(TaskSpec(**study))
    kinds = ("Lexical Semantics", "Predicate-Argument Structure", "Logic", "Knowledge")
    header = (*kinds, "Domain", "Premise", "Hypothesis", "Label")
    lines = ["\t".join(header), '\t\tNegation\t\tNews\tThe "cat\tIt sat.\tcontradiction']
    (tmp_path / "diagnostic-full.tsv").write_text("\n".join(lines), "utf-8")
    study["also_test"] = {"ax": {"name": "ax", "data": str(tmp_path)}}
    split = load_task(TaskSpec(**study), need_dev=False, base=tmp_path).splits["also:ax"]
    assert split.texts == (['The "cat'], ["It sat."]) and split.labels.tolist() == [2]
    assert split.columns["Logic"] == ["Negation"] and set(split.columns) == {*kinds, "Domain"}


def test_a_further_test_set_must_have_as_many_texts(tmp_path):
    for name in ("terra", "sst2"):
        write_archive(tmp_path, name)
    also = {"movies": {"name": "sst2", "data": str(tmp_path)}}
    with pytest.raises(DataError, match=r"task.also_test.movies: SST-2 has the texts sentence, but .* premise, hypoth"):
        load_task(TaskSpec(name="terra", data=".", also_test=also), need_dev=False, base=tmp_path)


@pytest.mark.parametrize("name", ["lidirus", "mnli_mismatched", "ax"])
def test_a_further_test_set_cannot_be_trained_on(name):
    with pytest.raises(StudyError, match=rf"task.name: {name} has no rows to train on.*also_test: {{.*name: {name}}}"):
        check_task(TaskSpec(name=name))
