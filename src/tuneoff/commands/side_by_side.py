"""`tuneoff report A B`: one page about several studies."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tuneoff.commands.output import print_list
from tuneoff.report.side_by_side import write_side_by_side
from tuneoff.report.words import Words
from tuneoff.store import Store
from tuneoff.words import visible


def side_by_side_command(directories: Sequence[Path], to: Path, language: str = "en") -> None:
    """Write a page about several run directories, say what was found, and where the page is."""
    page, findings = write_side_by_side([Store.existing(one) for one in directories], to, Words(language))
    print_list(Console(), findings)
    Console(stderr=True, highlight=False).print(visible(f"report: {page}"), markup=False, soft_wrap=True)
