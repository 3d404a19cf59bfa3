"""What commands print alike."""

import io
import json

from rich.console import Console

from tuneoff.commands.output import print_json, print_list


def test_json_keeps_letters_as_they_are(capsys):
    print_json({"technique": "линейная проба"})
    printed = capsys.readouterr().out
    assert "линейная проба" in printed and json.loads(printed) == {"technique": "линейная проба"}


def test_nothing_in_a_text_is_markup():
    file = io.StringIO()
    print_list(Console(file=file, width=80), ["[red]a[/red]", "b"])
    assert file.getvalue().splitlines() == ["- [red]a[/red]", "- b"]
