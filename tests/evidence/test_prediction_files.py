"""Predictions made elsewhere: the same answers from every way of writing them, and one message for each mistake."""

import json
import re
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tuneoff.errors import DataError
from tuneoff.evidence.prediction_files import read_prediction_files, technique_names


def row(label, prediction, **more):
    return {"label": label, "prediction": prediction, **more}


GOOD = [row("yes", "yes", id=1), row("no", "yes", id=2), row("no", "no", id=3)]


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Return a function that reads files a.jsonl, b.jsonl, ... with these rows (or lines as they stand)."""
    monkeypatch.chdir(tmp_path)

    def read(*files):
        paths = [Path(f"{name}.jsonl") for name, _ in zip("abcd", files, strict=False)]
        for path, rows in zip(paths, files, strict=True):
            lines = [line if isinstance(line, str) else json.dumps(line) for line in rows]
            path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return read_prediction_files(paths)

    return read


# What is read


def test_rows_are_seeds_ascending_and_columns_the_examples_of_the_first_file(read):
    a = [row("x", p, id=i, seed=s) for s, i, p in [(7, "u", "x"), (7, "v", "y"), (-1, "v", "x"), (-1, "u", "y")]]
    b = [row("x", "x", id="v"), row("x", "z", id="u")]
    first, second = read(a, b)
    assert (first.technique, first.path, first.answers.seeds) == ("a", Path("a.jsonl"), (-1, 7))
    assert first.answers.right.tolist() == [[False, True], [True, False]]
    assert (second.answers.seeds, second.answers.right.tolist()) == ((0,), [[False, True]])
    assert np.array_equal(first.answers.examples, second.answers.examples)


def test_without_ids_the_lines_of_a_seed_are_the_examples(read):
    mixed = [row(1, 1, seed=0), row(1, 2, seed=1), row(0, 0, seed=1), row(0, 3, seed=0)]
    first, _ = read(mixed, [row(1, 1), "", row(0, 0)])  # a blank line is none
    assert first.answers.right.tolist() == [[True, False], [False, True]]


def test_numbers_and_texts_are_the_same_and_other_fields_are_left_aside(read):
    first, second = read([row(1, "1", id="5", loss=None), row("0", 1, id=6)], [row("0", "0", id="6"), row(1, 1, id=5)])
    assert first.answers.right.tolist() == [[True, False]] and second.answers.right.tolist() == [[True, True]]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_columns_give_what_lines_give(read, suffix):
    rows = [
        row(label, label * right, id=i, seed=s) for s in (0, 1) for i, (label, right) in enumerate([(3, 1), (4, s)])
    ]
    first, _ = read(rows, [row(3, 3, id=0), row(4, 4, id=1)])
    table = pd.DataFrame(rows)
    path = Path(f"t{suffix}")
    if suffix == ".parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="," if suffix == ".csv" else "\t")
    found = read_prediction_files([path, Path("a.jsonl")])[0].answers
    assert found.seeds == first.answers.seeds and found.right.tolist() == first.answers.right.tolist()


def test_a_byte_order_mark_and_separators_of_unicode_are_no_trouble(read):
    a = ['\ufeff{"label": "a\u2028b", "prediction": "a\u2028b"}', row("c", "d")]
    assert read(a, [row("a\u2028b", "c"), row("c", "c")])[0].answers.right.tolist() == [[True, False]]


def test_little_is_kept_of_long_lines(read):
    rows = [row("yes", "yes", id=number, text="x" * 2000) for number in range(2000)]
    read(rows, rows)
    tracemalloc.start()
    read_prediction_files([Path("a.jsonl"), Path("b.jsonl")])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 1_500_000  # of 8 MB


# Names


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["runs/full.jsonl", "lora.jsonl"], ["full", "lora"]),
        (["a/p.jsonl", "b/p.jsonl", "q.jsonl"], ["a/p", "b/p", "q"]),
        (["a/p.jsonl", "b/p.csv"], ["p.jsonl", "p.csv"]),
        (["x/a/p.jsonl", "x/b/p.jsonl", "y/b/p.jsonl"], ["a/p", "x/b/p", "y/b/p"]),
        (["lora.r8.jsonl", "lora.r16.jsonl"], ["lora.r8", "lora.r16"]),
    ],
)
def test_techniques_are_named_after_their_files_as_shortly_as_tells_them_apart(paths, names):
    assert technique_names(list(map(Path, paths))) == names


def test_a_comparison_takes_two_different_files(read):
    with pytest.raises(DataError, match=r"a\.jsonl: comparing takes at least two files"):
        read(GOOD)
    with pytest.raises(DataError, match=r"\./a\.jsonl|a\.jsonl: the file is named twice"):
        read_prediction_files([Path("a.jsonl"), Path("..") / Path.cwd().name / "a.jsonl"])


# Mistakes


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([], r"a.jsonl: the file has no predictions. A line looks like {"),
        (["", " "], "a.jsonl: the file has no predictions"),
        ([row("x", "x")], "a.jsonl: 1 example, but comparing takes at least two"),
        ([GOOD[0], "{'label': 1}"], "a.jsonl, line 2: not JSON (Expecting property name"),
        ([GOOD[0], "[1]"], "a.jsonl, line 2: a JSON list, where an object is expected"),
        (
            [GOOD[0], "", {"label": 1}],
            "a.jsonl, line 3, field 'prediction': the field is missing. Fields there: label.",
        ),
        (
            [{"prediction": 1, "gold": 1}],
            "line 1, field 'label': the field is missing. Fields there: prediction, gold.",
        ),
        ([row(None, 1)], "line 1, field 'label': there is no value"),
        ([row("a", " ")], "line 1, field 'prediction': there is no value"),
        ([row(1.0, 1)], "line 1, field 'label': 1.0 is neither text nor a whole number"),
        ([row("true", True)], "line 1, field 'prediction': True is neither text nor a whole number"),
        ([row(1, 1, id=[1])], "line 1, field 'id': [1] is neither text nor a whole number"),
        ([row(1, 1, seed="first")], "line 1, field 'seed': 'first' is no whole number"),
        ([row(1, 1, seed=1.0)], "line 1, field 'seed': 1.0 is no whole number"),
        ([row(1, 1, seed=True)], "line 1, field 'seed': True is no whole number"),
        ([row(1, 1, id=1), row(1, 1)], "line 2, field 'id': it is missing here, but given in the lines before"),
        ([row(1, 1), row(1, 1, seed=0)], "line 2, field 'seed': it is given here, but not in the lines before"),
        ([*GOOD, row("yes", "no", id="1")], "line 4, field 'id': '1' stands there a second time under the same seed"),
        (
            [row(1, 1, id="u", seed=0), row(2, 1, id="u", seed=1)],
            "line 2, field 'label': '2', but '1' for the same example on line 1. An example has one label.",
        ),
        ([row(1, 1, seed=0), row(2, 1, seed=1)], "has one label. Without an id, examples are matched by the order"),
        (
            [row(1, 1, id=i, seed=s) for s, i in [(0, "u"), (0, "v"), (0, "w"), (1, "w")]],
            "a.jsonl: seed 1 lacks 2 of the 3 examples that other seeds have, first 'u' (line 1)",
        ),
        (
            [row(1, 1, seed=s) for s in (0, 0, 1)],
            "seed 1 lacks 1 of the 2 examples that other seeds have, first number 2",
        ),
        ([row(0, "no"), row(1, "yes")], "no prediction is one of the labels: predicted was 'no', say, and the first"),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_place(read, rows, told):
    with pytest.raises(DataError, match=re.escape(told)):
        read(rows, GOOD)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (GOOD[:2], "b.jsonl lacks 1 of the 3 examples of a.jsonl, first '3' (line 3). Leave in all files"),
        (
            [*GOOD[1:], row("no", "no", id="x"), row("no", "no", id="y")],
            "b.jsonl lacks 1 of the 3 examples of a.jsonl, first '1' (line 1); "
            "a.jsonl lacks 2 of the 4 examples of b.jsonl, first 'x' (line 3)",
        ),
        (
            [row("no", "no", id=3), row("yes", "no", id=2), row("no", "no", id=1)],
            "b.jsonl, line 3, field 'label': 'no', but 'yes' in a.jsonl, line 1, for the same example ('1'). "
            "In all 2 of 3 labels differ.",
        ),
        ([row("yes", "yes")] * 3, "b.jsonl: its examples have no id, but those of a.jsonl have"),
    ],
)
def test_files_that_do_not_fit_together_are_told(read, rows, told):
    with pytest.raises(DataError, match=re.escape(told)):
        read(GOOD, rows)
    if "no id" in told:
        with pytest.raises(DataError, match=r"a\.jsonl: its examples have no id, but those of b\.jsonl have"):
            read(rows, GOOD)


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([row(1, 1)] * 4, r"a\.jsonl lacks 1 of the 4 examples of b\.jsonl, first number 4 of a seed \(line 4\)"),
        ([row(1, 1)] * 2, r"b\.jsonl lacks 1 of the 3 examples of a\.jsonl, first number 3 of a seed \(line 3\)"),
        ([row(1, 1), row(1, 1), row(2, 2)], r"b\.jsonl, line 3, field 'label': '2', but '1' in a\.jsonl, line 3"),
    ],
)
def test_files_without_ids_are_matched_by_order_and_told_so(read, rows, told):
    with pytest.raises(DataError, match=f"{told}.*Without an id, examples are matched by the order"):
        read([row(1, 1)] * 3, rows)


def test_a_file_that_cannot_be_read_is_told_before_any_is_read(read):
    read(GOOD, GOOD)
    Path("b.jsonl").write_text("no JSON")
    with pytest.raises(DataError, match=r"there is no file 'aa\.jsonl'.* Did you mean 'a\.jsonl'"):
        read_prediction_files([Path("b.jsonl"), Path("aa.jsonl")])
    Path("c.json").write_text("{}")
    with pytest.raises(DataError, match=r"c\.json: files are read as .*name it \.jsonl"):
        read_prediction_files([Path("c.json"), Path("a.jsonl")])
    Path("l.jsonl").write_bytes(json.dumps(GOOD[0]).encode() + b"\n\xff\n")
    with pytest.raises(DataError, match=r"l\.jsonl, line 2: not JSON \('utf-8' codec"):
        read_prediction_files([Path("l.jsonl"), Path("a.jsonl")])


def test_a_column_that_is_missing_and_an_empty_table_are_told(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.csv").write_text("label,pred\n1,1\n")
    Path("b.csv").write_text("label,prediction\n")
    with pytest.raises(DataError, match=r"a\.csv, line 2, field 'prediction': the field is missing"):
        read_prediction_files([Path("a.csv"), Path("b.csv")])
    with pytest.raises(DataError, match=r"b\.csv: the file has no predictions"):
        read_prediction_files([Path("b.csv"), Path("a.csv")])
