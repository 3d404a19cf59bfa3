"""Files read a chunk at a time: the rows that `read_table` reads, in their order, and refused with the same words."""

import codecs
import json

import pandas as pd
import pytest

from tuneoff.errors import DataError
from tuneoff.tasks.files import read_table
from tuneoff.tasks.stream import read_chunks

ROWS = [
    {"idx": 3, "premise": "a cat\u2028sat", "hypothesis": 'says "no"'},
    {"idx": 1, "premise": "one,\ntwo", "hypothesis": "tab\there"},
    {"idx": 2, "premise": "Кошка", "hypothesis": "😀"},
    {"idx": 9, "premise": "last", "hypothesis": "row"},
]


def written(tmp_path, suffix, rows=ROWS):
    path = tmp_path / f"rows{suffix}"
    frame = pd.DataFrame(rows)
    if suffix == ".parquet":
        frame.to_parquet(path, index=False, row_group_size=3)
    elif suffix == ".jsonl":
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        path.write_bytes(codecs.BOM_UTF8 + ("\n".join([*lines[:2], "", *lines[2:]])).encode())
    else:
        frame.to_csv(path, index=False, sep={".csv": ",", ".tsv": "\t"}[suffix])
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".csv", ".tsv", ".parquet"])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
def test_the_chunks_of_a_file_are_its_rows_each_once_with_their_places(tmp_path, suffix, size):
    path = written(tmp_path, suffix)
    whole = read_table(path, "it")
    chunks = list(read_chunks(path, "it", size))
    assert [row for chunk in chunks for row in chunk.table.rows] == list(whole.rows)
    assert [place for chunk in chunks for place in chunk.table.places] == list(whole.places)
    assert all(len(chunk.table) <= size for chunk in chunks) and {one.table.unit for one in chunks} == {whole.unit}
    assert [chunk.first for chunk in chunks] == [*range(0, 4, size)]
    assert chunks[-1].table.columns == whole.columns
    shares = [chunk.share for chunk in chunks]
    assert shares == sorted(shares) and shares[0] > 0 and shares[-1] == 1


def test_quotation_marks_of_unquoted_files_are_text(tmp_path):
    path = tmp_path / "test.tsv"
    path.write_bytes(b'index\tsentence\r\n0\t"a cat\r\n\r\n1\tsat"\r\n')
    (chunk,) = read_chunks(path, "it", 10, unquoted=True)
    assert chunk.table.rows == [{"index": "0", "sentence": '"a cat'}, {"index": "1", "sentence": 'sat"'}]
    assert list(chunk.table.places) == [2, 4]
    path.write_bytes(b"a\tb\n1\n")
    with pytest.raises(DataError, match=r"it, line 2: 1 field"):
        list(read_chunks(path, "it", 10, unquoted=True))


BAD = {
    "rows.jsonl": (b'{"a": 1}\n\n{"a": 2\n', r"rows.jsonl, line 3: not JSON"),
    "list.jsonl": (b'{"a": 1}\n[2]\n', r"list.jsonl, line 2: a JSON list"),
    "half.jsonl": (b'{"a": 1}\n{"a": "\\ud83d"}\n', r"half.jsonl, line 2, field 'a': half of a surrogate pair"),
    "bytes.jsonl": (b'{"a": 1}\n{"a": "\xff"}\n', r"bytes.jsonl, line 2: the bytes are not UTF-8"),
    "bytes.csv": (b"a,b\n1,2\n\xff,2\n", r"bytes.csv, line 3: the bytes are not UTF-8"),
    "long.csv": (b"a,b\n1,2\n1,2,3\n", r"long.csv, line 3: 3 fields, but the header has 2"),
    "quote.csv": (b'a,b\n1,2\n"1,2\n', r"quote.csv, line 3: unexpected end of data"),
    "twice.tsv": (b"a\ta\n1\t2\n", r"twice.tsv, line 1: columns that occur twice: 'a'"),
    "none.jsonl": (b"\n\n", r"none.jsonl: the file has no rows"),
    "none.csv": (b"a,b\n", r"none.csv: the file has no rows"),
    "none.parquet": (b"", r"none.parquet: not a Parquet file"),
    "rows.txt": (b"a", r"rows.txt: files are read as .jsonl, .csv, .tsv, .parquet, not as '.txt'"),
    "gone.csv": (None, r"gone.csv: cannot be read: No such file"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_row_is_refused_with_its_line(tmp_path, name):
    content, message = BAD[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        list(read_chunks(tmp_path / name, name, 1))


def test_what_stands_before_a_bad_line_is_read(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n{"b": 2}\nno\n', encoding="utf-8")
    chunks = read_chunks(path, "it", 1)
    assert next(chunks).table.columns == ("a",)
    assert next(chunks).table.columns == ("a", "b")
    with pytest.raises(DataError, match="line 3"):
        next(chunks)


def test_a_text_missing_in_a_later_chunk_is_told_with_its_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": "x"}\n{"b": "y"}\n', encoding="utf-8")
    _, second = read_chunks(path, "it", 1)
    with pytest.raises(DataError, match=r"it, line 2, field 'a': the field is missing. Fields there: b"):
        second.table.texts("a")
