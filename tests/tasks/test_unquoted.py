"""Tab-separated files with quotation marks as text, against what the csv module reads without quoting."""

import csv
import io

import pytest

from tuneoff.errors import DataError
from tuneoff.tasks.unquoted import read_unquoted

TEXTS = ['"he said', 'yes"', '""', 'it\'s "so"', "plain", "с\u2028разделителем", "a\u00a0b"]


def put(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "train.tsv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_marks_are_text_as_for_the_csv_module_without_quoting(tmp_path, end, encoding):
    content = end.join(["index\tsentence", *(f"{n}\t{text}" for n, text in enumerate(TEXTS))]) + end
    found = read_unquoted(put(tmp_path, content, encoding), "train.tsv", None)
    expected = list(csv.DictReader(io.StringIO(content, newline=""), delimiter="\t", quoting=csv.QUOTE_NONE))
    assert [row["sentence"] for row in found.table.rows] == [row["sentence"] for row in expected] == TEXTS
    assert found.broken == 0 and list(found.table.places) == list(range(2, 9))
    assert [row["idx"] for row in found.table.rows] == list(range(7))


def test_a_file_without_a_header_line_is_given_one(tmp_path):
    found = read_unquoted(
        put(tmp_path, "gj04\t1\t\tOne.\nbc01\t0\t*\tTwo it.\n"), "train.tsv", ("a", "label", "b", "c")
    )
    assert found.table.columns == ("a", "label", "b", "c", "idx")
    assert found.table.rows[1] == {"a": "bc01", "label": "0", "b": "*", "c": "Two it.", "idx": 1}
    assert found.table.where(1) == "train.tsv, line 2"


def test_few_broken_lines_are_left_out_and_counted_and_keep_their_number(tmp_path):
    lines = [f"{n}\ttext" for n in range(200)]
    lines[7], lines[9] = "7", "9\ttext\tmore"
    found = read_unquoted(put(tmp_path, "index\tsentence\n" + "\n".join(lines)), "train.tsv", None)
    assert found.broken == 2 and len(found.table) == 198
    assert [row["idx"] for row in found.table.rows][6:9] == [6, 8, 10]
    assert list(found.table.places)[6:9] == [8, 10, 12]


def test_many_broken_lines_are_another_file(tmp_path):
    lines = ["index\tsentence", *(f"{n}\ttext" for n in range(98)), "98", "99"]
    message = r"^train.tsv, line 100: 1 fields where 2 are expected, and 2 of the 100 lines are so"
    with pytest.raises(DataError, match=message):
        read_unquoted(put(tmp_path, "\n".join(lines)), "train.tsv", None)


@pytest.mark.parametrize("content", ["", "\n\n", "index\tsentence\n"])
def test_a_file_without_rows_is_refused(tmp_path, content):
    with pytest.raises(DataError, match=r"^train.tsv: the file has no rows"):
        read_unquoted(put(tmp_path, content), "train.tsv", None)


def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_bytes(b"index\tsentence\n0\t\xff\n")
    with pytest.raises(DataError, match=r"^train.tsv, line 2: the bytes are not UTF-8"):
        read_unquoted(path, "train.tsv", None)
