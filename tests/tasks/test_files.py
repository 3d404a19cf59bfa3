"""Each format is read alike, and each fault is named with its file, line and field."""

import csv
import json
from pathlib import Path

import pytest

from tuneoff.errors import DataError
from tuneoff.tasks.files import find_file, find_folder, read_table
from tuneoff.tasks.table import Table, name_classes

ROWS = [{"text": 'a, "b"\n\tc', "label": "x"}, {"text": "ё\u2028d", "label": "y"}]


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "tsv", "parquet"])
def test_formats_give_the_same_rows(write, suffix):
    table = read_table(write(f"rows.{suffix}", ROWS), "rows")
    assert [dict(row) for row in table.rows] == ROWS
    assert table.columns == ("text", "label")


@pytest.mark.parametrize(("suffix", "lines"), [("jsonl", [1, 2]), ("csv", [2, 4]), ("tsv", [2, 4])])
def test_rows_know_the_line_on_which_they_start(write, suffix, lines):
    """The first row's text has a line break, which in CSV and TSV is one in the file too."""
    assert list(read_table(write(f"rows.{suffix}", ROWS), "rows").places) == lines


def test_blank_lines_are_skipped_and_counted(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'\n{"text": "a"}\r\n\n{"text": "b"}\n\n')
    assert list(read_table(path, "rows").places) == [2, 4]


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
def test_byte_order_mark_is_no_part_of_the_first_column(write, suffix):
    path = write(f"rows.{suffix}", ROWS)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_table(path, "rows").columns == ("text", "label")


def test_csv_fields_may_be_long_and_the_csv_modules_limit_is_put_back(write):
    limit = csv.field_size_limit()
    rows = [{"text": "a" * 200_000, "label": "x"}]
    assert limit < 200_000
    assert read_table(write("rows.csv", rows), "rows").texts("text") == [rows[0]["text"]]
    assert csv.field_size_limit() == limit


FAULTS = [
    ("a.jsonl", b'{"t": "a"}\n{"t": \n', r"a.jsonl, line 2: not JSON"),
    ("a.jsonl", b'{"t": "a"}\n["t"]\n', r"a.jsonl, line 2: a JSON list"),
    ("a.jsonl", b'{"t": "a"}\n{"t": "\xff"}\n', r"a.jsonl, line 2: the bytes are not UTF-8"),
    ("a.jsonl", b"\xef\xbb\xbf\n\xff", r"a.jsonl, line 2: the bytes are not UTF-8"),
    ("a.jsonl", b"", r"a.jsonl: the file has no rows"),
    ("a.csv", b"t,l\n", r"a.csv: the file has no rows"),
    ("a.csv", b'"t\nu",l\na,b\nc\n', r"a.csv, line 4: 1 fields, but the header has 2"),
    ("a.csv", b"t,l\na,b\nc,d,e\n", r"a.csv, line 3: 3 fields, but the header has 2"),
    ("a.csv", b't,l\na,b\n"c,d\n', r"a.csv, line 3: unexpected end of data"),
    ("a.tsv", b't\tl\na\tb\n"c" d\te\n', r"a.tsv, line 3: '\t' expected after"),
    ("a.csv", b"t,t\na,b\n", r"a.csv, line 1: columns that occur twice: 't'"),
    ("a.parquet", b"not parquet", r"a.parquet: not a Parquet file"),
    ("a.json", b"[]", r"a.json: files are read as .*\.jsonl.*one JSON object a line"),
    ("a.xlsx", b"", r"a.xlsx: files are read as .jsonl, .csv, .tsv, .parquet, not as '.xlsx'"),
]


@pytest.mark.parametrize(("name", "content", "message"), FAULTS)
def test_faults_are_named_with_their_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / name, name)


VALUES = [
    ({"label": "x"}, r"field 'text': the field is missing. Fields there: label"),
    ({"text": None, "label": "x"}, r"field 'text': there is no value"),
    ({"text": " \n", "label": "x"}, r"field 'text': the value is empty"),
    ({"text": 3, "label": "x"}, r"field 'text': 3 is not text"),
    ({"text": "\ud800", "label": "x"}, r"field 'text': half of a surrogate pair"),
    ({"text": "a", "label": None}, r"field 'label': there is no value"),
    ({"text": "a", "label": 1.0}, r"field 'label': 1.0 is neither .* Write 1\."),
    ({"text": "a", "label": float("nan")}, r"field 'label': nan is neither text nor a whole number nor a boolean\.$"),
    ({"text": "a", "label": ""}, r"field 'label': the value is empty"),
    ({"text": "a", "label": ["x"]}, r"field 'label': \['x'\] is neither"),
]


@pytest.mark.parametrize(("row", "message"), VALUES)
def test_values_that_are_no_texts_or_labels_are_named_with_line_and_field(tmp_path, row, message):
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"text": "fine", "label": 1}) + "\n" + json.dumps(row))
    with pytest.raises(DataError, match="a.jsonl, line 2, " + message):
        table = read_table(path, "a.jsonl")
        (table.texts("text"), table.names("label", "task.label"))


def test_empty_csv_field_is_an_empty_text(write):
    table = read_table(write("a.csv", [{"text": "a", "label": "x"}, {"text": "", "label": "x"}]), "a.csv")
    with pytest.raises(DataError, match=r"a.csv, line 3, field 'text': the value is empty"):
        table.texts("text")


def test_parquet_rows_are_counted_from_0(write):
    table = read_table(write("a.parquet", [{"t": "a"}, {"t": None}]), "a.parquet")
    with pytest.raises(DataError, match=r"a.parquet, row 1 \(counted from 0\), field 't': there is no value"):
        table.texts("t")


def test_labels_may_be_text_whole_numbers_and_booleans(write):
    table = read_table(write("a.jsonl", [{"l": "x"}, {"l": 0}, {"l": True}]), "a.jsonl")
    assert table.names("l", "task.label") == ["x", "0", "True"]


def test_missing_column_lists_what_is_there_and_what_is_near(write):
    table = read_table(write("a.csv", [{"premise": "a", "Label": "x"}]), "a.csv")
    with pytest.raises(DataError, match=r"no column 'label' \(task.label\). Did you mean 'Label'\? .*: premise, Label"):
        table.names("label", "task.label")


def test_semicolons_are_noticed(tmp_path):
    (tmp_path / "a.csv").write_text("text;label\na;x\n")
    with pytest.raises(DataError, match=r"no column 'text'.*separated otherwise"):
        read_table(tmp_path / "a.csv", "a.csv").texts("text")


def test_parquet_of_the_datasets_library_keeps_its_class_names(tmp_path):
    from datasets import ClassLabel, Dataset, Features, Value

    features = Features({"text": Value("string"), "label": ClassLabel(names=["no", "maybe", "always"])})
    data = Dataset.from_dict({"text": ["a", "b", "c"], "label": [2, 0, -1]}, features=features)
    data.to_parquet(tmp_path / "a.parquet")
    table = read_table(tmp_path / "a.parquet", "a.parquet")
    assert table.class_names == {"label": ("no", "maybe", "always")}
    assert [row["label"] for row in table.rows] == ["always", "no", None]


@pytest.mark.parametrize("number", [3, -2, "no"])
def test_class_without_a_name_is_refused(number):
    table = Table("set, split train", ("label",), [{"label": 2}, {"label": number}], range(2), "row")
    with pytest.raises(DataError, match=r"split train, row 1 .*, field 'label': class .* names 3 classes.*: a, b, c"):
        name_classes(table, {"label": ("a", "b", "c")})


def test_files_are_looked_for_beside_the_study_then_in_the_current_folder(tmp_path, monkeypatch):
    study, here = tmp_path / "study", tmp_path / "here"
    for folder, names in ((study, ["both.csv"]), (here, ["both.csv", "one.csv"])):
        folder.mkdir()
        for name in names:
            (folder / name).touch()
    monkeypatch.chdir(here)
    assert find_file("both.csv", study, "task.train") == study / "both.csv"
    assert find_file("one.csv", study, "task.train") == here / "one.csv"
    assert find_file(str(here / "one.csv"), study, "task.train") == here / "one.csv"
    assert find_folder("here", tmp_path, "task.data") == here


def test_missing_file_names_both_places_and_the_nearest_names(tmp_path, monkeypatch):
    (tmp_path / "train.csv").touch()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(DataError) as caught:
        find_file("trian.csv", tmp_path, "task.train")
    message = str(caught.value)
    assert message.startswith("task.train: there is no file 'trian.csv'")
    assert str(tmp_path / "trian.csv") in message
    assert str(tmp_path / "here" / "trian.csv") in message
    assert "Did you mean 'train.csv'?" in message


def test_folder_in_place_of_a_file_lists_its_files(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").touch()
    with pytest.raises(DataError, match=r"is a folder. Name a file in it: train.csv"):
        find_file("data", tmp_path, "task.train")


def test_missing_folder_is_said_to_be_missing():
    with pytest.raises(DataError, match=r"There is no folder /.*nowhere\.$"):
        find_file("nowhere/a.csv", Path(), "task.train")
    with pytest.raises(DataError, match=r"task.data: there is no folder 'nowhere'"):
        find_folder("nowhere", Path(), "task.data")
