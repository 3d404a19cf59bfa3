"""The tasks of GLUE and Russian SuperGLUE: small files in the layout of the benchmarks' archives, and as on the hub.

Layouts, field names and class orders are written down here again, from the hub's data set pages, the archives' readme
files and the benchmarks' own readers, so that a declaration is held to them.
"""

import json
from dataclasses import dataclass, field

import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

from tuneoff.errors import DataError, StudyError
from tuneoff.reading import read_study, resolved_yaml, study_from_mapping
from tuneoff.study import TaskSpec
from tuneoff.tasks import check_task, known_labels, load_task, task_name
from tuneoff.tasks.registry import built_in_tasks, refused_tasks

PARSES = "sentence1_binary_parse sentence2_binary_parse sentence1_parse sentence2_parse"
MNLI = f"index promptID pairID genre {PARSES} sentence1 sentence2"


@dataclass
class Layout:
    """A task as it lies in its archive: columns of train, validation and test; and as it lies on the hub."""

    folder: str
    texts: tuple[str, ...]
    classes: tuple[str, ...]
    columns: tuple[str, str, str]
    own: tuple[str, ...] = ()  # names of the texts in the files
    label: str = "label"
    coded: bool = False  # labels are numbers in the files
    headless: bool = False
    group: str | None = None
    hub: str = "nyu-mll/glue"
    more: dict[str, str] = field(default_factory=dict)

    def rows(self, count, start=0):
        """Rows whose groups have two members, with quotation marks that nothing closes."""
        return [
            {name: f'"{name} {n // 2 if name == self.group else n}' for name in self.texts}
            | {name: f"{value}{n // 2}" for name, value in self.more.items()}
            | {"label": n % len(self.classes)}
            for n in range(start, start + count)
        ]


ENTAILMENT = ("entailment", "not_entailment")
TWO = ("sentence1", "sentence2")
PAIR = ("index sentence1 sentence2 label", "index sentence1 sentence2 label", "index sentence1 sentence2")
QUESTION = ("index question sentence label", "index question sentence label", "index question sentence")
RUSSIAN = "RussianNLP/russian_super_glue"
ANSWERS = ("False", "True")
GLUE = {
    "cola": Layout(
        "CoLA",
        ("sentence",),
        ("unacceptable", "acceptable"),
        ("source label mark sentence", "source label mark sentence", "index sentence"),
        coded=True,
        headless=True,
    ),
    "sst2": Layout(
        "SST-2",
        ("sentence",),
        ("negative", "positive"),
        ("sentence label", "sentence label", "index sentence"),
        coded=True,
    ),
    "mrpc": Layout(
        "MRPC",
        TWO,
        ("not_equivalent", "equivalent"),
        (*["Quality|#1 ID|#2 ID|#1 String|#2 String"] * 2, "index|#1 ID|#2 ID|#1 String|#2 String"),
        own=("#1 String", "#2 String"),
        label="Quality",
        coded=True,
        group="sentence1",
    ),
    "qqp": Layout(
        "QQP",
        ("question1", "question2"),
        ("not_duplicate", "duplicate"),
        (*["id qid1 qid2 question1 question2 is_duplicate"] * 2, "id question1 question2"),
        label="is_duplicate",
        coded=True,
        group="question1",
    ),
    "mnli": Layout(
        "MNLI",
        ("premise", "hypothesis"),
        ("entailment", "neutral", "contradiction"),
        (f"{MNLI} label1 gold_label", f"{MNLI} label1 label2 label3 label4 label5 gold_label", MNLI),
        own=TWO,
        label="gold_label",
        group="premise",
    ),
    "qnli": Layout("QNLI", ("question", "sentence"), ENTAILMENT, QUESTION, group="question"),
    "rte": Layout("RTE", TWO, ENTAILMENT, PAIR, group="sentence1"),
    "wnli": Layout("WNLI", TWO, ENTAILMENT[::-1], PAIR, coded=True, group="sentence1"),
}
NLI = ("premise hypothesis label idx",) * 2 + ("premise hypothesis idx",)
THREE = ("entailment", "contradiction", "neutral")
RUSSIAN_SUPERGLUE = {
    "terra": Layout("TERRa", ("premise", "hypothesis"), ENTAILMENT, NLI, group="premise", hub=RUSSIAN),
    "rcb": Layout(
        "RCB",
        ("premise", "hypothesis"),
        THREE,
        (*["premise hypothesis verb negation label idx"] * 2, "premise hypothesis verb negation idx"),
        group="premise",
        hub=RUSSIAN,
        more={"verb": "v", "negation": "no"},
    ),
    "danetqa": Layout(
        "DaNetQA",
        ("question", "passage"),
        ANSWERS,
        (*["question passage label idx"] * 2, "question passage idx"),
        group="passage",
        hub=RUSSIAN,
    ),
    "russe": Layout(
        "RUSSE",
        TWO,
        ANSWERS,
        (*["word sentence1 sentence2 gold_sense1 label idx"] * 2, "word sentence1 sentence2 idx"),
        group="word",
        hub=RUSSIAN,
        more={"word": "слово"},
    ),
}
ALL = GLUE | RUSSIAN_SUPERGLUE
SPLITS = {"train": 40, "validation": 6, "test": 4}
HUB_SPLITS = {"mnli": {"validation": "validation_matched", "test": "test_matched"}}


def in_files(layout, row, number, column):
    """Return what stands in a column of a file of a benchmark."""
    own = dict(zip(layout.own or layout.texts, layout.texts, strict=True))
    if column in own:
        return row[own[column]]
    if column == layout.label:
        label = layout.classes[row["label"]]
        return {"False": False, "True": True}.get(label, row["label"] if layout.coded else label)
    return row.get(column, number if column == "idx" else "7" if column.startswith("gold_sense") else f"x{number}")


def write_archive(root, name):
    """Write a task's folder as its archive has it."""
    layout = ALL[name]
    folder = root / layout.folder
    folder.mkdir(parents=True)
    for split, columns in zip(SPLITS, layout.columns, strict=True):
        header = columns.split("|" if "|" in columns else None)
        rows = [
            {column: in_files(layout, row, number, column) for column in header}
            for number, row in enumerate(layout.rows(SPLITS[split]))
        ]
        if layout.hub == RUSSIAN:
            path = folder / f"{'val' if split == 'validation' else split}.jsonl"
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
            continue
        stem = "dev" if split == "validation" else split
        stem += "_matched" if name == "mnli" and split != "train" else ""
        lines = ["\t".join(map(str, row.values())) for row in rows]
        bare = layout.headless and split != "test"
        (folder / f"{stem}.tsv").write_text("\n".join([*([] if bare else ["\t".join(header)]), *lines]) + "\n", "utf-8")
    return folder


def on_hub(name):
    """Return the splits of a task as the hub has them: labels of test are -1."""
    layout = ALL[name]
    text = (*layout.texts, *layout.more)
    features = dict.fromkeys(text, Value("string")) | {"label": ClassLabel(names=layout.classes), "idx": Value("int32")}
    splits = {}
    for split, count in SPLITS.items():
        rows = [
            row | {"idx": n, "label": -1 if split == "test" else row["label"]}
            for n, row in enumerate(layout.rows(count))
        ]
        found = HUB_SPLITS.get(name, {}).get(split, split)
        splits[found] = Dataset.from_list(rows, features=Features(features))
    return splits


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
