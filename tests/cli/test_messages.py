"""What the user sees of a mistake, and what is left to be seen as a mistake of ours."""

import pytest
import typer

from tuneoff.cli.messages import BAD_INPUT, INTERRUPTED, LONGEST_LINE, plain_errors
from tuneoff.errors import DataError, TuneoffError


def told(error, capsys):
    """Return status and message of an error inside a command."""
    with pytest.raises(typer.Exit) as left, plain_errors():
        raise error
    said = capsys.readouterr()
    assert said.out == ""
    return left.value.exit_code, said.err


def test_bad_input_is_one_message_in_which_everything_shows(capsys):
    assert told(DataError("a.csv, line 2: \x1b]0;owned\x07\nlook there"), capsys) == (
        BAD_INPUT,
        "error: a.csv, line 2: \\x1b]0;owned\\x07\nlook there\n",
    )


def test_a_line_that_quotes_too_much_is_cut_and_the_next_one_is_not(capsys):
    status, said = told(TuneoffError("x" * 10 * LONGEST_LINE + "\nwhat to do"), capsys)
    first, second = said.splitlines()
    assert status == BAD_INPUT and len(first) == LONGEST_LINE and first.endswith("...") and second == "what to do"


def test_a_file_that_the_system_refuses_is_named(capsys):
    error = PermissionError(13, "The process cannot access the file", "runs/a/weights.safetensors")
    status, said = told(error, capsys)
    assert status == BAD_INPUT and said.startswith("error: runs/a/weights.safetensors: The process cannot access the")


def test_ctrl_c_has_its_own_status(capsys):
    assert told(KeyboardInterrupt(), capsys)[0] == INTERRUPTED == 130


@pytest.mark.parametrize("error", [OSError(9, "Bad file descriptor"), ValueError("ours")])
def test_a_mistake_of_ours_is_not_hidden(error):
    with pytest.raises(type(error)), plain_errors():
        raise error
