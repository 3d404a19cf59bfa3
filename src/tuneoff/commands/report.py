"""`tuneoff report`: from a run directory to tables and figures, without torch."""

from pathlib import Path

from rich.console import Console

from tuneoff.evidence.results import read_results
from tuneoff.report import terminal_table, write_report
from tuneoff.store import Store
from tuneoff.words import visible


def report_command(directory: Path, language: str = "en") -> None:
    """Write a run directory's results and report, show the table, and say where the page is."""
    store = Store.existing(directory)
    page = write_report(store, language)
    Console().print(terminal_table(read_results(store), language))
    Console(stderr=True, highlight=False).print(visible(f"report: {page}"), markup=False, soft_wrap=True)
