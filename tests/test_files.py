"""A reader never sees half a file, and a digest is the same everywhere or is refused."""

import errno
import hashlib
import json
import math
import os
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from tuneoff import files
from tuneoff.errors import WriteError
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
        (temporary.parent / "a library's own").write_text("half, too")
        assert temporary.parent.parent == path.parent  # a rename is atomic within one file system alone
        raise error

    with pytest.raises(WriteError if isinstance(error, OSError) else type(error)):
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
        "def half(path): path.write_text('half'); (path.parent / '.tmpXyz').write_text('too'); os._exit(9)\n"
        "write_atomically(pathlib.Path(sys.argv[1]), half)"
    )
    path = tmp_path / "deep" / "er" / "file.txt"
    write_text(path, "whole")
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == 9
    assert len(names(path.parent)) == 2 and path.read_text() == "whole"
    remove_leftovers(tmp_path)
    assert names(path.parent) == ["file.txt"]
    assert not any(name.startswith(TEMPORARY) for name in names(path.parent))


WRITER = """
import pathlib, sys
from tuneoff.files import write_atomically
def slowly(path):
    path.write_text("half"); print("begun", flush=True); sys.stdin.read(); path.write_text("whole")
write_atomically(pathlib.Path(sys.argv[1]), slowly)
"""


def test_what_another_process_is_writing_stays(tmp_path):
    path = tmp_path / "file.txt"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], **pipes) as writer:
        assert writer.stdout.readline() == "begun\n"
        remove_leftovers(tmp_path)
        assert len(names(tmp_path)) == 1
        writer.communicate("")
    assert writer.returncode == 0 and path.read_text() == "whole" and names(tmp_path) == ["file.txt"]


def test_where_there_are_no_locks_what_is_young_stays_and_what_is_old_goes(tmp_path, monkeypatch):
    def unknown(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files.fcntl, "flock", unknown)
    for name, age in (("young", 10), ("old", 5000)):
        part = tmp_path / f"{TEMPORARY}{name}"
        part.mkdir()
        (part / "file").write_text("half")
        for path in (part / "file", part):
            os.utime(path, (time.time() - age,) * 2)
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [f"{TEMPORARY}young"]
    write_text(tmp_path / "file", "written without a lock")
    assert (tmp_path / "file").is_file()


# A disk that is full: a limit on the size of files has the same effect on whoever writes them.

FULL = """
import resource, sys
import pandas as pd, torch
from pathlib import Path
from tuneoff import files
from tuneoff.errors import WriteError
from tuneoff.files import write_atomically, write_tensors, write_text
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
path, frame = Path(sys.argv[1]), pd.DataFrame({"a": range(9000)})
for write in (
    lambda: write_text(path, "x" * 9000),
    lambda: write_tensors(path, {"a": torch.zeros(9000)}),
    lambda: write_atomically(path, lambda temporary: frame.to_parquet(temporary)),
):
    try:
        write()
    except WriteError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits are set as Unix does")
def test_whoever_writes_what_there_is_no_room_for_the_message_is_the_same_and_the_old_file_stays(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True)
    assert path.read_text() == "old" and names(tmp_path) == ["file"]
    lines = done.stdout.splitlines()
    assert len(lines) == 3 and all(line.startswith(f"{path}: cannot be written (") for line in lines)
    assert all("File too large" in line or "os error 27" in line for line in lines)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), OSError("I/O error: No space left on device (28)")]
)
def test_a_full_disk_is_told_with_the_way_out(tmp_path, error):
    def write(_):
        raise error

    with pytest.raises(WriteError, match=r"file: cannot be written \(No space left on device\); make room on the disk"):
        write_atomically(tmp_path / "file", write)


def test_a_folder_that_may_only_be_read_is_told_with_the_way_out(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(WriteError, match=r"\(Read-only file system\); make it writable, or give another --out"):
        write_text(tmp_path / "file", "text")


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
