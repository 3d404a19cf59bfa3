"""A reader never sees half a file, and a digest is the same everywhere or is refused."""

import hashlib
import json
import math
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from tuneoff.files import (
    TEMPORARY,
    digest,
    remove_leftovers,
    sha256,
    write_atomically,
    write_json,
    write_text,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
@pytest.mark.parametrize("before", ["what was there", None])
def test_a_write_that_fails_half_way_changes_nothing(tmp_path, error, before):
    path = tmp_path / "file.txt"
    if before is not None:
        path.write_text(before)

    def half(temporary):
        temporary.write_text("half of the new")
        assert temporary.parent == path.parent  # a rename is atomic within one file system alone
        raise error

    with pytest.raises(type(error)):
        write_atomically(path, half)
    assert names(tmp_path) == ([] if before is None else ["file.txt"])
    assert before is None or path.read_text() == before


def test_the_old_content_stands_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "new" / "folder" / "file.txt"
    write_text(path, "old")
    seen = []

    def write(temporary):
        temporary.write_text("new")
        seen.append(path.read_text())

    write_atomically(path, write)
    assert seen == ["old"] and path.read_text() == "new" and names(path.parent) == ["file.txt"]


def test_who_reads_while_it_is_replaced_reads_the_old_to_its_end(tmp_path):
    path = tmp_path / "file.txt"
    write_text(path, "old")
    with path.open() as reader:
        write_text(path, "something longer")
        assert reader.read() == "old"


def test_what_a_killed_process_left_is_removed_and_nothing_else(tmp_path):
    code = (
        "import os, pathlib, sys; from tuneoff.files import write_atomically\n"
        "write_atomically(pathlib.Path(sys.argv[1]), lambda path: (path.write_text('half'), os._exit(9)))"
    )
    path = tmp_path / "deep" / "er" / "file.txt"
    write_text(path, "whole")
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == 9
    assert len(names(path.parent)) == 2 and path.read_text() == "whole"
    remove_leftovers(tmp_path)
    assert names(path.parent) == ["file.txt"]
    assert not any(name.startswith(TEMPORARY) for name in names(path.parent))


def test_text_is_utf_8_with_unix_line_ends(tmp_path):
    write_text(tmp_path / "text", "да\nнет\n")
    assert (tmp_path / "text").read_bytes() == "да\nнет\n".encode()


def test_json_reads_back_and_refuses_what_json_does_not_have(tmp_path):
    path = tmp_path / "value.json"
    value = {"b": [1, 2.5, None, True], "a": "да"}
    write_json(path, value)
    assert json.loads(path.read_text(encoding="utf-8")) == value and "да" in path.read_text(encoding="utf-8")
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="JSON compliant"):
            write_json(path, {"loss": bad})
    assert json.loads(path.read_text(encoding="utf-8")) == value and names(tmp_path) == ["value.json"]


@pytest.mark.parametrize("content", [b"", b"abc", bytes(range(256)) * 9000])
def test_sha256_is_hashlibs(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    assert sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()


def test_a_digest_is_of_the_canonical_text():
    value = {"b": [1, 0.1, None, True], "a": {"ю": "x"}}
    assert digest(value) == hashlib.sha256(rb'{"a":{"\u044e":"x"},"b":[1,0.1,null,true]}').hexdigest()
    assert digest(value) == digest({"a": {"ю": "x"}, "b": [1, 0.1, None, True]})


@pytest.mark.parametrize(
    "other", [{"a": 1.0}, {"a": "1"}, {"a": True}, {"a": [1]}, {"a": 2}, {"b": 1}, {"a": 1, "b": None}]
)
def test_another_value_has_another_digest(other):
    assert digest(other) != digest({"a": 1})


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, {"deep": [math.nan]}])
def test_a_digest_refuses_numbers_that_json_cannot_hold(value):
    with pytest.raises(ValueError):
        digest(value)


@pytest.mark.parametrize("value", [{1, 2}, b"bytes", Path("x"), np.int64(3), date(2025, 6, 1), object(), {(1, 2): 3}])
def test_a_digest_refuses_what_json_cannot_hold(value):
    with pytest.raises(TypeError):
        digest({"value": value})
