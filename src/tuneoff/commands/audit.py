"""`tuneoff audit`: what the numbers of a published table support."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tuneoff.commands.output import print_json, print_list
from tuneoff.evidence.audit import SCENARIOS, audit
from tuneoff.evidence.published import read_published
from tuneoff.words import visible

LEGEND = (
    "p: Fisher's exact test. Paired: exact McNemar with Holm, if exactly one of the",
    "two is right on the fewest examples possible, 20%, 35%, the most. *: told apart.",
)
HEADINGS = ("points", "p", "p\nHolm", "paired:\nleast", "20%", "35%", "most")


def audit_command(file: Path, *, as_json: bool) -> None:
    """Print what a CSV of published accuracies supports: sentences and a table, or JSON."""
    result = {"file": str(file), **audit(read_published(file))}
    if as_json:
        print_json(result)
        return
    console = Console(highlight=False)
    print_list(console, [sentence["text"] for sentence in result["sentences"]])
    console.print()
    console.print(_table(result))
    for line in LEGEND:
        console.print(line, markup=False)


def _table(result: Mapping[str, Any]) -> Table:
    """A row a pair: the difference, p without and with Holm, McNemar's p with Holm by discordance."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
    table.add_column("higher / lower", min_width=12)
    for heading in HEADINGS:
        table.add_column(heading, justify="right", no_wrap=True)
    for pair in result["pairs"]:
        mark = "*" if pair["verdict"] == "better" else ""
        paired = [pair["paired"][name]["p_holm"] if pair["paired"] else None for name in SCENARIOS]
        table.add_row(
            Text(visible(f"{pair['a']} / {pair['b']}")),
            f"{100 * pair['difference']:.1f}",
            _p(pair["unpaired"]["p"]),
            _p(pair["unpaired"]["p_holm"]) + mark,
            *(_p(value) for value in paired),
        )
    return table


def _p(value: float | None) -> str:
    if value is None:
        return "—"
    return "<.001" if value < 0.0005 else f"{value:.3f}".lstrip("0") if value < 0.9995 else "1"
