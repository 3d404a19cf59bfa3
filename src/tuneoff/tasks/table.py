"""Rows as they were read, each with its place in the file, so that a message about one can say where it stands."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tuneoff.errors import DataError
from tuneoff.words import listed, near, shortened

LONGEST_LABEL = 200
SCALARS = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class Table:
    """Rows of one file or of one split of a hub data set.

    `origin` names it in messages. `rows` hold what was read, by column. `places` are the rows' lines (from 1) where
    `unit` is line, else their numbers (from 0). `class_names` has, for the columns whose classes the data set
    itself numbers, the names in that order; the rows hold these names, not the numbers.
    """

    origin: str
    columns: tuple[str, ...]
    rows: Sequence[Mapping[str, Any]]
    places: Sequence[int]
    unit: Literal["line", "row"] = "line"
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.rows)

    def where(self, index: int, column: str | None = None) -> str:
        """Return a row's place in words, with the field that is meant."""
        place = f"{self.origin}, {self.unit} {self.places[index]}"
        place += " (counted from 0)" if self.unit == "row" else ""
        return place if column is None else f"{place}, field '{column}'"

    def require(self, column: str, key: str) -> None:
        """Raise DataError if there is no such column; `key` is the study's key that asks for it."""
        if column in self.columns:
            return
        message = f"{self.origin}: there is no column '{column}' ({key}).{near(column, self.columns)}"
        message += f" Columns there: {listed(self.columns)}."
        if len(self.columns) == 1 and any(mark in self.columns[0] for mark in ";|\t,"):
            message += " The fields seem to be separated otherwise: .csv is read with commas, .tsv with tabs."
        raise DataError(message)

    def texts(self, column: str) -> list[str]:
        """Return a text column; DataError for a value that is not text, or is empty."""
        self.require(column, "task.text")
        return [self._text(index, column) for index in range(len(self))]

    def labels(self, column: str, key: str) -> list[str]:
        """Return a column of labels as `names` does; DataError also for one so long that it is a text."""
        labels = self.names(column, key)
        for index, label in enumerate(labels):
            if len(label) > LONGEST_LABEL:
                raise DataError(
                    f"{self.where(index, column)}: {len(label):,} characters are no label (at most {LONGEST_LABEL}). "
                    f"Name the column with the labels ({key}); columns there: {listed(self.columns)}."
                )
        return labels

    def names(self, column: str, key: str) -> list[str]:
        """Return a column of labels or groups as text; DataError for anything but text, whole numbers and booleans."""
        self.require(column, key)
        return [self._name(index, column) for index in range(len(self))]

    def ids(self, column: str) -> list[str | None]:
        """Return the rows' own ids as text, None where a row has none."""
        values = (row.get(column) for row in self.rows)
        return [None if value is None else str(value) for value in values]

    def others(self, used: Iterable[str]) -> dict[str, list[str]]:
        """Return the remaining columns as text, '' where a row has no value; nested ones are left out."""
        kept = {}
        for column in self.columns:
            values = [row.get(column) for row in self.rows]
            if column and column not in used and all(isinstance(value, SCALARS) for value in values):
                kept[column] = ["" if value is None else str(value) for value in values]
        return kept

    def labelled(self, column: str) -> bool:
        """Return whether any row has a label (the hub writes -1 for none)."""
        return any(row.get(column) not in (None, -1) for row in self.rows)

    def _present(self, index: int, column: str) -> Any:
        row = self.rows[index]
        if column not in row:
            raise DataError(f"{self.where(index, column)}: the field is missing. Fields there: {listed(row)}.")
        if row[column] is None:
            raise DataError(f"{self.where(index, column)}: there is no value. Fill it in or remove the row.")
        return row[column]

    def _text(self, index: int, column: str) -> str:
        value = self._present(index, column)
        if not isinstance(value, str):
            raise DataError(f"{self.where(index, column)}: {shortened(repr(value))} is not text. Write it as a string.")
        return self._clean(index, column, value)

    def _name(self, index: int, column: str) -> str:
        value = self._present(index, column)
        if isinstance(value, str | int):
            return self._clean(index, column, str(value))
        hint = f" Write {int(value)}." if isinstance(value, float) and value.is_integer() else ""
        raise DataError(
            f"{self.where(index, column)}: {shortened(repr(value))} is neither text "
            f"nor a whole number nor a boolean.{hint}"
        )

    def _clean(self, index: int, column: str, value: str) -> str:
        if not value.strip():
            raise DataError(f"{self.where(index, column)}: the value is empty. Fill it in or remove the row.")
        return value


def name_classes(table: Table, class_names: Mapping[str, tuple[str, ...]]) -> Table:
    """Return the table with class numbers written as names; -1, the hub's mark for no label, becomes None.

    Raises DataError for a number that has no name.
    """
    rows = [dict(row) for row in table.rows]
    for column, names in class_names.items():
        for index, row in enumerate(rows):
            number = row.get(column)
            if number is None or number == -1:
                row[column] = None
            elif number in range(len(names)):
                row[column] = names[number]
            else:
                raise DataError(
                    f"{table.where(index, column)}: class {shortened(repr(number))}, but the data set "
                    f"names {len(names)} classes, numbered from 0: {listed(names)}."
                )
    return Table(table.origin, table.columns, rows, table.places, table.unit, dict(class_names))
