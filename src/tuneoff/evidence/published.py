"""Numbers as they are published: a CSV of techniques with accuracy and n, checked, as counts of right answers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from pathlib import Path

from tuneoff.errors import DataError
from tuneoff.tasks.files import read_separated
from tuneoff.tasks.table import Table
from tuneoff.words import shortened

REQUIRED, OPTIONAL = ("technique", "accuracy", "n"), ("seeds",)
NUMBER = re.compile(r"(\d+)(?:[.,](\d+))?\s*(%?)")
MOST_LETTERS = 40  # of an accuracy
MOST_DIGITS = 15  # of a count of examples
# Where a double's own digits are given, they may differ in the last one from the exact quotient.
LEAST_HALF_UNIT = Decimal("1e-9")


@dataclass(frozen=True)
class PublishedAccuracy:
    """A technique's accuracy on `n` examples, as the mean over `seeds` runs (None: not said, taken as one).

    `fewest` and `most` are the counts of right answers of n that the printed digits allow, `right` the nearest one.
    With several seeds they are means over the seeds, rounded.
    """

    technique: str
    accuracy: float
    n: int
    seeds: int | None
    fewest: int
    right: int
    most: int


@dataclass(frozen=True)
class PublishedTable:
    """The techniques of a file in its order, and the columns that were not read."""

    techniques: Sequence[PublishedAccuracy]
    unused: Sequence[str]


def read_published(path: Path) -> PublishedTable:
    """Read a CSV with the columns technique, accuracy, n and, if there is one, seeds; others are left aside.

    Fields are set apart by commas, semicolons or tabs, whichever the header has. An accuracy is written 0.68, 68%, 68.0
    or 68,0: above 1 it is taken as a percentage. Raises DataError with file, line and field for anything else, for
    an accuracy that no count of right answers out of n gives, and for fewer than two techniques.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file. Name a CSV with the columns {', '.join(REQUIRED)}.")
    table = read_separated(path, str(path), _delimiter(path))
    for column in REQUIRED:
        table.require(column, "tuneoff audit")
    found: list[PublishedAccuracy] = []
    for index, name in enumerate(table.names("technique", "tuneoff audit")):
        if name in (one.technique for one in found):
            raise DataError(f"{table.where(index, 'technique')}: '{name}' stands there twice. Give each its own name.")
        found.append(_published(table, index, name))
    if len(found) < 2:
        raise DataError(f"{path}: {len(found)} techniques, but comparing takes at least two.")
    return PublishedTable(found, [column for column in table.columns if column not in (*REQUIRED, *OPTIONAL)])


def _delimiter(path: Path) -> str:
    with path.open("rb") as file:
        header = file.readline()
    return max(",;\t", key=lambda mark: header.count(mark.encode()))


def _published(table: Table, index: int, name: str) -> PublishedAccuracy:
    n = _count(table, index, "n")
    seeds = _count(table, index, "seeds") if str(table.rows[index].get("seeds") or "").strip() else None
    accuracy, half_unit = _accuracy(table, index)
    # Exact in decimals: what the digits allow must not hang on how a float is rounded.
    total = n * (seeds or 1)
    fewest = int((max(accuracy - half_unit, Decimal(0)) * total).to_integral_value(ROUND_CEILING))
    most = int((min(accuracy + half_unit, Decimal(1)) * total).to_integral_value(ROUND_FLOOR))
    if fewest > most:
        raise DataError(
            f"{table.where(index, 'accuracy')}: {accuracy} is no share of {total} answers: {most} right ones give "
            f"{most / total:.5f}, {fewest} give {fewest / total:.5f}. Check accuracy and n; for a mean over several "
            "seeds, say how many in a column 'seeds'."
        )
    nearest = min(max(round(accuracy * total), fewest), most)
    fewest, nearest, most = (round(count / (seeds or 1)) for count in (fewest, nearest, most))
    return PublishedAccuracy(name, float(accuracy), n, seeds, fewest, nearest, most)


def _accuracy(table: Table, index: int) -> tuple[Decimal, Decimal]:
    """Return an accuracy as a share, and half a unit of its last printed digit (0 for a bare 0 or 1)."""
    given = str(table.rows[index]["accuracy"]).strip()
    match = NUMBER.fullmatch(given)
    if match is None or len(given) > MOST_LETTERS:
        raise DataError(
            f"{table.where(index, 'accuracy')}: '{shortened(given)}' is no accuracy. Write it as 0.68 or 68%; a "
            "decimal comma takes quotation marks in a file with commas between its fields."
        )
    whole, decimals, percent = match.groups()
    value, digits = Decimal(f"{whole}.{decimals or '0'}"), len(decimals or "")
    if percent or value > 1:
        value, digits = value / 100, digits + 2
    if value > 1:
        raise DataError(f"{table.where(index, 'accuracy')}: '{given}' is more than 100%. Correct it.")
    half_unit = max(Decimal(5).scaleb(-digits - 1), LEAST_HALF_UNIT)
    return value, half_unit if digits else Decimal(0)


def _count(table: Table, index: int, column: str) -> int:
    given = str(table.rows[index][column]).strip()
    if not given.isascii() or not given.isdigit() or len(given) > MOST_DIGITS or int(given) < 1:
        told = f"'{shortened(given)}' is no whole number above 0"
        raise DataError(f"{table.where(index, column)}: {told}. Write it as 307.")
    return int(given)
