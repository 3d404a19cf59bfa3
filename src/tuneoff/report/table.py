"""A table once, and the same table as Markdown, CSV and LaTeX."""

import csv
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tuneoff.words import visible

LATEX = {
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "−": "$-$",
    "—": "---",
    # After a line's end LaTeX would take them for an option of it.
    "[": "{[}",
    "*": "{*}",
}
ABOUT = {"model": "model", "task": "task", "technique": "technique", "higher": "technique", "lower": "technique"}
"""What the cells of these columns name."""
FORMULA = ("=", "+", "-", "@")
"""What a spreadsheet takes for the beginning of a formula (OWASP, CSV Injection)."""


@dataclass(frozen=True)
class Column:
    """A column: `name` heads it in CSV, `title` elsewhere. `better` says which end of it is marked.

    `spread` gives CSV a second column with the standard deviations. `droppable` columns are left out of a terminal
    that is too narrow, those with the highest number first (0: never); the notes then stand under the table.
    `about` is what the whole column is about, {"technique": name}, for the page's filters.
    """

    name: str
    title: str
    numeric: bool = False
    better: Literal["high", "low"] | None = None
    spread: bool = False
    droppable: int = 0
    about: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """What is shown, and the number behind it (None: there is none)."""

    text: str
    value: float | int | str | None = None
    spread: float | None = None
    best: bool = False


@dataclass(frozen=True)
class Table:
    """Columns and rows of cells, what was found in them, what explains them, and what to keep in mind with them.

    `group` gives for each row the set in which the best is sought; empty: all rows are one set. `about` is what the
    whole table is about, {"model": name, "task": name}, where it is about one.
    """

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    explanations: Sequence[str] = ()
    cautions: Sequence[str] = ()
    group: Sequence[str] = ()
    findings: Sequence[str] = ()
    about: Mapping[str, str] = field(default_factory=dict)

    def row_about(self, row: Sequence[Cell]) -> dict[str, str]:
        """Return the model, the task and the techniques that a row's cells name, each separated by a space."""
        found: dict[str, list[str]] = {}
        for column, cell in zip(self.columns, row, strict=True):
            kind = ABOUT.get(column.name)
            if kind and isinstance(cell.value, str):
                found.setdefault(kind, []).append(cell.value)
        return {kind: " ".join(values) for kind, values in found.items()}

    @property
    def captions(self) -> list[str]:
        """The sentences under the table."""
        return [*self.findings, *self.explanations, *self.cautions]

    def marked(self) -> "Table":
        """Return the table with the best cells of each column that has a better end marked, equal ones all.

        Cells are equal if they show the same mean. Nothing is marked where fewer than two rows of a group compare.
        """
        groups = self.group or [""] * len(self.rows)
        rows = [list(row) for row in self.rows]
        for place, column in enumerate(self.columns):
            for name in dict.fromkeys(groups) if column.better else ():
                members = [row for row, of in zip(rows, groups, strict=True) if of == name]
                _mark(members, place, column.better == "high")
        return replace(self, rows=rows)

    def unmarked(self, columns: Collection[str], groups: Collection[str] | None = None) -> "Table":
        """Return the table without marks in the named columns, in all rows or in those of some groups."""
        rows = [list(row) for row in self.rows]
        places = [place for place, column in enumerate(self.columns) if column.name in columns]
        for row, of in zip(rows, self.group or [""] * len(rows), strict=True):
            for place in places if groups is None or of in groups else ():
                row[place] = replace(row[place], best=False)
        return replace(self, rows=rows)

    def records(self) -> list[dict[str, Any]]:
        """Return the rows as dictionaries of raw values, standard deviations under '<column>_sd'."""
        records = []
        for row in self.rows:
            record: dict[str, Any] = {}
            for column, cell in zip(self.columns, row, strict=True):
                record[column.name] = cell.value
                if column.spread:
                    record[f"{column.name}_sd"] = cell.spread
            records.append(record)
        return records

    def without(self, dropped: Sequence[str]) -> "Table":
        """Return the table without the named columns."""
        kept = [place for place, column in enumerate(self.columns) if column.name not in dropped]
        rows = [[row[place] for place in kept] for row in self.rows]
        columns = [self.columns[place] for place in kept]
        return replace(self, columns=columns, rows=rows)


def _mark(rows: Sequence[list[Cell]], place: int, high: bool) -> None:
    values = [value for row in rows if isinstance(value := row[place].value, int | float)]
    if len(values) < 2:
        return
    shown = {_mean(row[place]) for row in rows if row[place].value == (max if high else min)(values)}
    for row in rows:
        cell = row[place]
        if cell.value is not None and _mean(cell) in shown:
            row[place] = Cell(cell.text, cell.value, cell.spread, best=True)


def _mean(cell: Cell) -> str:
    return cell.text.split(" ± ")[0]


def markdown(table: Table) -> str:
    """Return the table as GitHub's Markdown, the best values bold, the captions as paragraphs under it."""
    lines = [
        "| " + " | ".join(_markdown_text(column.title) for column in table.columns) + " |",
        "|" + "|".join("---:" if column.numeric else "---" for column in table.columns) + "|",
    ]
    for row in table.rows:
        cells = [f"**{_markdown_text(cell.text)}**" if cell.best else _markdown_text(cell.text) for cell in row]
        lines.append("| " + " | ".join(cells) + " |")
    captions = [f"\n{_markdown_text(caption)}" for caption in table.captions]
    return "\n".join([*lines, *captions]) + "\n"


def _markdown_text(text: str) -> str:
    for character in "\\`*_[]|<>":
        text = text.replace(
            character, f"&{'lt' if character == '<' else 'gt'};" if character in "<>" else f"\\{character}"
        )
    return visible(" ".join(text.split()))


def csv_text(table: Table) -> str:
    """Return the raw values as CSV, unknown ones empty; numbers are unrounded, and nothing is marked.

    A text that a spreadsheet would compute gets an apostrophe before it, which spreadsheets do not show.
    """
    names = [name for c in table.columns for name in ((c.name, f"{c.name}_sd") if c.spread else (c.name,))]
    return rows_csv(table.records(), names)


def rows_csv(rows: Sequence[Mapping[str, Any]], names: Sequence[str] | None = None) -> str:
    """Return rows of values as CSV, as `csv_text` does; columns are `names`, or those of all rows as they come."""
    columns = list(dict.fromkeys(name for row in rows for name in row)) if names is None else names
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_value(row.get(name)) for name in columns] for row in rows)
    return file.getvalue()


def _csv_value(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = visible(value, lines=True)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text


def latex(table: Table) -> str:
    """Return the table for LaTeX with booktabs, the best values bold, captions as comments."""
    align = "".join("r" if column.numeric else "p{4cm}" if column.name == "note" else "l" for column in table.columns)
    head = " & ".join(latex_text(column.title) for column in table.columns)
    body = [
        " & ".join(rf"\textbf{{{latex_text(cell.text)}}}" if cell.best else latex_text(cell.text) for cell in row)
        for row in table.rows
    ]
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            *(f"% {visible(' '.join(caption.split()))}" for caption in table.captions),
            rf"\begin{{tabular}}{{{align}}}",
            r"\toprule",
            rf"{head} \\",
            r"\midrule",
            *(rf"{line} \\" for line in body),
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def latex_text(text: str) -> str:
    """Return text with the characters that mean something to LaTeX escaped."""
    return "".join(LATEX.get(character, character) for character in visible(" ".join(text.split())))
