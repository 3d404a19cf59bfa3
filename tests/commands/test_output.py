"""What commands print alike."""

import io
import json

from rich.console import Console

from tuneoff.commands.output import print_json, print_list
from tuneoff.words import is_odd


def test_json_keeps_letters_as_they_are(capsys):
    print_json({"technique": "линейная проба"})
    printed = capsys.readouterr().out
    assert "линейная проба" in printed and json.loads(printed) == {"technique": "линейная проба"}


def test_nothing_in_a_text_is_markup():
    file = io.StringIO()
    print_list(Console(file=file, width=80), ["[red]a[/red]", "b"])
    assert file.getvalue().splitlines() == ["- [red]a[/red]", "- b"]


HOSTILE = "\x1b]0;owned\x07 \x9b31m \u202eabc \x00"


def test_json_says_in_escapes_what_a_terminal_would_obey(capsys):
    print_json({"technique": HOSTILE})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"technique": HOSTILE}
    assert not any(map(is_odd, printed.replace("\n", "")))


def test_a_list_says_in_escapes_what_a_terminal_would_obey():
    file = io.StringIO()
    print_list(Console(file=file, width=80, force_terminal=True, color_system=None), [HOSTILE])
    assert r"\x1b]0;owned\x07 \x9b31m \u202eabc \x00" in file.getvalue()
    assert not any(map(is_odd, file.getvalue().replace("\n", "")))
