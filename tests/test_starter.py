"""A study to start from."""

import csv
import json
from pathlib import Path

import pytest

from tuneoff.errors import DataError, StudyError
from tuneoff.reading import read_study
from tuneoff.starter import guess_columns, starter_study, write_starter
from tuneoff.study import DEFAULT_TECHNIQUES


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _csv(path: str, columns: list[str], *rows: list[str]) -> str:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def test_without_anything_it_is_about_a_built_in_task() -> None:
    write_starter(Path("mine.yaml"))
    study = read_study("mine.yaml").study
    assert (study.name, study.task.name) == ("mine", "mini_rte")
    assert tuple(technique.name for technique in study.techniques) == DEFAULT_TECHNIQUES
    assert "tuneoff run mine.yaml" in Path("mine.yaml").read_text()


def test_every_line_that_is_commented_out_would_be_valid() -> None:
    text = starter_study(Path("mine.yaml"))
    own = text.replace("task: {name", "# task: {name", 1)
    head, tail = own.split("# task:\n")
    lines = [
        line.removeprefix("# ") if line.startswith("# ") else line for line in ("# task:\n" + tail).splitlines()[:5]
    ]
    Path("own.yaml").write_text(
        head + "\n".join(lines) + "\n" + tail.split("label: label\n")[1].replace("# - {", "- {")
    )
    study = read_study("own.yaml").study
    assert study.task.train == "data/train.csv" and study.techniques[-1].settings["rank"] == 32


def test_columns_and_the_test_file_are_found_from_the_train_file() -> None:
    train = _csv(
        "data/train.csv", ["id", "premise", "hypothesis", "label"], ["1", "a", "b", "yes"], ["2", "c", "d", "no"]
    )
    _csv("data/test.csv", ["id", "premise", "hypothesis", "label"], ["1", "e", "f", "no"])
    write_starter(Path("studies/mine.yaml"), model="my: model", train=train)
    study = read_study("studies/mine.yaml").study
    assert study.models[0].id == "my: model"
    assert (study.task.train, study.task.test) == ("../data/train.csv", "../data/test.csv")
    assert (study.task.text, study.task.label, study.task.group) == (["premise", "hypothesis"], "label", "premise")


def test_a_test_file_without_labels_is_not_taken() -> None:
    Path("train.jsonl").write_text(json.dumps({"text": "a", "label": 1}) + "\n")
    Path("test.jsonl").write_text(json.dumps({"text": "a"}) + "\n")
    Path("val.jsonl").write_text(json.dumps({"text": "a", "label": 1}) + "\n")
    Path("s.yaml").write_text(starter_study(Path("s.yaml"), train="train.jsonl"))
    assert read_study("s.yaml").study.task.test == "val.jsonl"


def test_odd_column_names_survive() -> None:
    train = _csv("t.csv", ["no", "te: xt"], *[["yes" if n % 2 else "off", f"words and words {n}"] for n in range(8)])
    Path("s.yaml").write_text(starter_study(Path("s.yaml"), train=train, test="u.csv"))
    task = read_study("s.yaml").study.task
    assert (task.text, task.label, task.test) == (["te: xt"], "no", "u.csv")


@pytest.mark.parametrize(
    ("columns", "text", "label", "group"),
    [
        (["idx", "sentence1", "sentence2", "label"], ["sentence1", "sentence2"], "label", "sentence1"),
        (["Text", "Label"], ["Text"], "Label", None),
        (["question", "answer", "label", "author"], ["question", "answer"], "label", "author"),
        (["review", "sentiment", "user_id"], ["review"], "sentiment", "user_id"),
    ],
)
def test_columns_by_name(columns: list[str], text: list[str], label: str, group: str | None) -> None:
    found = guess_columns(columns, [])
    assert (found.text, found.label, found.group) == (text, label, group)


def test_columns_by_content() -> None:
    rows = [{"nr": n, "farbe": "rot" if n % 3 else "blau", "satz": f"ein längerer Satz, Nummer {n}"} for n in range(12)]
    found = guess_columns(["nr", "farbe", "satz"], rows)
    assert (found.text, found.label, found.group) == (["satz"], "farbe", None)


def test_what_is_there_is_not_overwritten() -> None:
    Path("mine.yaml").write_text("mine")
    with pytest.raises(StudyError, match="already there"):
        write_starter(Path("mine.yaml"))
    assert Path("mine.yaml").read_text() == "mine"


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(StudyError, match="--train"):
        starter_study(Path("s.yaml"), test="t.csv")
    with pytest.raises(StudyError, match=r"s\.yaml"):
        write_starter(Path("s.txt"))
    Path("train.csv").write_text("a,b\n")
    with pytest.raises(DataError):
        starter_study(Path("s.yaml"), train="train.csv")
