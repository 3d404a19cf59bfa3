"""Outputs whose encoding has not every character: nothing raises, columns keep their places, JSON means the same."""

import io
import json
import os
import subprocess
import sys

import pytest
from rich.console import Console

from tuneoff.checks.finding import Finding
from tuneoff.cli import main
from tuneoff.commands.doctor import MARKS, print_findings
from tuneoff.commands.output import print_json
from tuneoff.commands.predict import reader_left
from tuneoff.encodings import STAND_INS, json_escaped, plain, stand_ins
from tuneoff.errors import StudyError
from tuneoff.predicted_files import JsonLines, Separated

ENCODINGS = ("cp1251", "cp1252", "cp866", "ascii")
HAS_RUSSIAN = ("cp1251", "cp866")


@pytest.fixture
def output(monkeypatch):
    """Return a function that makes stdout and stderr files of an encoding, and one that reads what is in them."""

    def make(encoding, errors="strict"):
        files = [io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors=errors, newline="") for _ in range(2)]
        for name, file in zip(("stdout", "stderr"), files, strict=True):
            monkeypatch.setattr(sys, name, file)

        def read():
            for file in files:
                file.flush()
            return tuple(file.buffer.getvalue().decode(encoding) for file in files)

        return read

    return make


@pytest.mark.parametrize("encoding", [*ENCODINGS, "utf-8"])
def test_every_stand_in_can_be_written_everywhere(encoding):
    assert all(stand_in.isascii() and stand_in.isprintable() for stand_in in STAND_INS.values())
    for character, stand_in in STAND_INS.items():
        shown = plain(character, encoding)
        assert shown in (character, stand_in) and shown.encode(encoding)


def test_a_letter_with_a_mark_loses_the_mark_and_what_has_no_stand_in_stays():
    assert plain("Šidák, 10³ – щ", "ascii") == "Sidak, 103 - щ"
    assert plain("Šidák – щ", "cp1251") == "Sidak – щ"


@pytest.mark.parametrize("encoding", [*ENCODINGS, "utf-8"])
@pytest.mark.parametrize("language", ["en", "ru"])
def test_a_report_is_printed_whole(made_up, tmp_path, no_figures, output, encoding, language, monkeypatch):
    """Wide enough for the thousands of the Russian table, which have a narrow space between."""
    monkeypatch.setenv("COLUMNS", "160")
    root = made_up(techniques=("linear-probe", "lora"), seeds=2).write(tmp_path / "out").root
    read = output(encoding)
    with pytest.raises(SystemExit) as left:
        main(["report", str(root), "--lang", language])
    out, err = read()
    bars = {tuple(at for at, c in enumerate(line) if c == "|") for line in out.splitlines() if line.count("|") > 3}
    assert left.value.code == 0 and "Traceback" not in err and f"report: {root / 'report.html'}" in err
    assert "linear-probe" in out and len(bars) == (encoding != "utf-8")
    lost = language == "ru" and encoding in ("cp1252", "ascii")
    assert ("?" in out) == lost == ("PYTHONIOENCODING=utf-8" in err)
    if language == "ru" and encoding in HAS_RUSSIAN:
        assert "способ" in out and "150 528" in out


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_doctors_marks_are_printed_and_told_apart(output, encoding):
    read = output(encoding)
    with stand_ins():
        print_findings([Finding("leakage", severity, "found") for severity in MARKS], Console(highlight=False))
    out, err = read()
    marks = [line.split(" leakage")[0] for line in out.splitlines() if "leakage" in line]
    assert len(set(marks)) == len(MARKS) and not err and "?" not in out


@pytest.mark.parametrize("encoding", ["cp1251", "cp437", "latin-1", "ascii"])
def test_a_letter_that_another_code_page_has_is_written_without_its_mark_or_told(output, encoding):
    """An encoder's error names every code page `charmap`, which is none that could be asked."""
    read = output(encoding)
    with stand_ins():
        print("\u01fd \u01ff \U0001f600")
    out, err = read()
    assert out.split()[-1] == "?" and len(out.split()) == 3
    assert f"characters that the encoding {encoding} has not" in err


def test_what_somebody_asked_for_stays(output):
    read = output("ascii", errors="ignore")
    with stand_ins():
        print("a – b")
    assert read()[0].strip() == "a  b"


@pytest.mark.parametrize("encoding", [*ENCODINGS, "utf-8"])
def test_json_means_the_same_in_every_encoding(output, encoding):
    result = {"метка": "следует – 0.4 ± 0.1", "лицо": "😀", "é": "\u202e\x07"}
    read = output(encoding)
    with stand_ins():
        print_json(result)
    out, err = read()
    assert json.loads(out) == result and not err
    assert ("метка" in out) == (encoding in (*HAS_RUSSIAN, "utf-8"))
    assert json_escaped('"метка 😀"', "ascii") == json.dumps("метка 😀")


class Row:
    """Predictions of one row."""

    def rows(self):
        yield {"row": 0, "label": "следует"}


def test_predictions_are_never_written_as_others(output):
    read = output("cp1252")
    with stand_ins():
        JsonLines(sys.stdout).write(Row())
        with pytest.raises(StudyError, match=r"cp1252, has no '\\u0441'.*--to, or set PYTHONIOENCODING=utf-8"):
            Separated(sys.stdout).write(Row())
    out, _ = read()
    assert [json.loads(line) for line in out.splitlines() if line.startswith("{")] == [{"row": 0, "label": "следует"}]


def test_a_pipe_of_another_encoding_gets_stand_ins(made_up, tmp_path):
    """As `tuneoff report DIR > file` where Windows speaks Russian."""
    root = made_up(techniques=("linear-probe", "lora"), seeds=2).write(tmp_path / "out").root
    code = f"from tuneoff import cli, report; report.write_figures = lambda *_: {{}}; cli.main({['report', str(root)]})"
    environment = {**os.environ, "PYTHONIOENCODING": "cp866"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment, check=False)
    assert done.returncode == 0 and b" +- " in done.stdout and b"Traceback" not in done.stderr


@pytest.mark.parametrize(("platform", "left"), [("win32", True), ("linux", False)])
def test_windows_calls_a_closed_pipe_an_invalid_argument(monkeypatch, platform, left):
    import errno

    monkeypatch.setattr(sys, "platform", platform)
    assert reader_left(OSError(errno.EINVAL, "Invalid argument")) == left
    assert reader_left(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    assert not reader_left(OSError(errno.ENOSPC, "No space left on device"))
