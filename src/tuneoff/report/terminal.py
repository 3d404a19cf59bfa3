"""A table in a terminal: without the columns for which it has no room."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tuneoff.encodings import plain
from tuneoff.report.table import Cell, Column, Table
from tuneoff.report.words import WORDS, Words
from tuneoff.words import visible

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.table import Table as RichTable

MARK = "*"
FREE_WIDTH = 12


@dataclass(frozen=True)
class TerminalTable:
    """A table that rich can print: columns that do not fit are left out by their order, and named under it."""

    table: Table
    say: Words = WORDS

    def __rich_console__(self, console: "Console", options: "ConsoleOptions") -> "RenderResult":
        from rich.measure import Measurement
        from rich.padding import Padding
        from rich.text import Text

        order = sorted((column for column in self.table.columns if column.droppable), key=lambda c: -c.droppable)
        dropped: list[str] = []
        shown = self._rich(self.table, options.encoding)
        for column in order:
            if Measurement.get(console, options.update(width=10_000), shown).minimum <= options.max_width:
                break
            dropped.append(column.name)
            shown = self._rich(self.table.without(dropped), options.encoding)
        yield shown
        for caption in [*self._notes(dropped), *self.table.captions, *self._hidden(dropped)]:
            yield Padding(Text(visible(caption)), (0, 0, 0, 1))

    def _notes(self, dropped: Sequence[str]) -> list[str]:
        """The notes as lines under the table, where their column had to go."""
        if "note" not in dropped:
            return []
        names = [column.name for column in self.table.columns]
        technique, note = names.index("technique"), names.index("note")
        noted = [row for row in self.table.rows if row[note].text]
        return [self.say("table.note", technique=row[technique].text, note=row[note].text) for row in noted]

    def _hidden(self, dropped: Sequence[str]) -> list[str]:
        titles = [column.title for column in self.table.columns if column.name in dropped and column.name != "note"]
        return [self.say("table.hidden", columns=", ".join(titles))] if titles else []

    def _rich(self, table: Table, encoding: str) -> "RichTable":
        """Lay the table out with what an output of this encoding can show, so that columns stay under each other."""
        from rich import box
        from rich.table import Table as RichTable
        from rich.text import Text

        shown = RichTable(
            title=Text(visible(table.title)), box=box.SIMPLE_HEAD, show_edge=False, title_justify="left", pad_edge=False
        )
        texts = [
            [
                Text(plain(_marked_text(cell, column), encoding), "bold" if cell.best else "")
                for cell, column in zip(row, table.columns, strict=True)
            ]
            for row in table.rows
        ]
        for place, column in enumerate(table.columns):
            title = plain(column.title, encoding)
            heading = title.replace(" ", "\n") if column.numeric else title
            widest = max([len(line) for line in heading.split("\n")] + [row[place].cell_len for row in texts])
            free = column.name in ("model", "note", "verdict")
            width = min(FREE_WIDTH, widest) if free else widest
            justify: Literal["right", "left"] = "right" if column.numeric else "left"
            shown.add_column(Text(heading), justify=justify, no_wrap=not free, min_width=width)
        for row in texts:
            shown.add_row(*row)
        return shown


def _marked_text(cell: Cell, column: Column) -> str:
    """A column with a mark keeps its place free in the other rows, so that digits stand under digits."""
    return visible(cell.text, lines=True) + (MARK if cell.best else " " if column.better else "")
