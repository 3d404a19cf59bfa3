"""Files of predictions, written a chunk at a time: JSON lines, CSV, Parquet, or what Russian SuperGLUE takes."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from tuneoff.encodings import encodable, json_escaped
from tuneoff.errors import DataError, StudyError
from tuneoff.words import is_odd, listed

if TYPE_CHECKING:  # what the formats are is asked for where torch would be waited for
    from tuneoff.predicting import Predictions

BY_SUFFIX = {".jsonl": "jsonl", ".csv": "csv", ".parquet": "parquet"}
FORMATS = ("jsonl", "csv", "parquet", "russian-superglue")


class Writer(Protocol):
    """Writes predictions as they come; `close` ends the file."""

    def write(self, predictions: Predictions) -> None:
        """Write some rows."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...


def chosen_format(given: str | None, to: Path | None) -> str:
    """Return the format that is asked for, else the one that the file's suffix tells; raises StudyError for others."""
    if given is not None and given not in FORMATS:
        raise StudyError(f"--format: there is no format '{given}'. Formats: {listed(FORMATS)}.")
    if given == "parquet" and to is None:
        raise StudyError("--format parquet: name the file to write by --to; only lines are printed.")
    if given is not None:
        return given
    if to is None:
        return "jsonl"
    if to.suffix.lower() not in BY_SUFFIX:
        raise StudyError(
            f"--to {to}: '{to.suffix}' does not tell what to write; name the file {listed(BY_SUFFIX)}, or give --format"
        )
    return BY_SUFFIX[to.suffix.lower()]


class JsonLines:
    """An object a line; letters that the file's encoding has not, or a terminal would obey, come out as escapes."""

    def __init__(self, file: IO[str], *, shown: bool = False) -> None:
        self._file = file
        self._shown = shown

    def write(self, predictions: Predictions) -> None:
        """Write some rows."""
        for row in predictions.rows():
            line = json.dumps(row, ensure_ascii=False, default=str)
            if self._shown:
                line = "".join(f"\\u{ord(c):04x}" if is_odd(c) else c for c in line)
            self._file.write(json_escaped(line, _encoding(self._file)) + "\n")

    def close(self) -> None:
        """Do nothing: all is written."""


class _Exact:
    """A file that refuses what its encoding has not, where others may write something instead."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> None:
        """Write a text as it is; StudyError where that is impossible."""
        if not encodable(text, _encoding(self._file)):
            missing = next(c for c in text if not encodable(c, _encoding(self._file)))
            raise StudyError(
                f"--format csv: the output's encoding, {_encoding(self._file)}, has no {missing!a}, which stands "
                "in these rows; name a file by --to, or set PYTHONIOENCODING=utf-8"
            )
        self._file.write(text)


def _encoding(file: IO[str]) -> str:
    return getattr(file, "encoding", None) or "utf-8"  # a text in memory has none


class Separated:
    """Rows with commas between, after a header; StudyError for a letter that the file's encoding has not."""

    def __init__(self, file: IO[str]) -> None:
        self._writer = csv.writer(_Exact(file), lineterminator="\n")
        self._begun = False

    def write(self, predictions: Predictions) -> None:
        """Write some rows, the first time after the names of their columns."""
        for row in predictions.rows():
            if not self._begun:
                self._writer.writerow(row)
                self._begun = True
            self._writer.writerow(row.values())

    def close(self) -> None:
        """Do nothing: all is written."""


class Parquet:
    """A Parquet file with a row group a chunk; ids are whole numbers if the first chunk's are, else text."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: Any = None

    def write(self, predictions: Predictions) -> None:
        """Write some rows; DataError for an id that is of another kind than those before."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = list(predictions.rows())
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._path, self._schema(predictions, rows))
        schema = self._writer.schema
        if predictions.id_column is not None:
            _fit_ids(rows, predictions, pa.types.is_integer(schema.field(predictions.id_column).type))
        self._writer.write_table(pa.Table.from_pylist(rows, schema=schema))

    def close(self) -> None:
        """Write the end of the file."""
        if self._writer is not None:
            self._writer.close()

    def _schema(self, predictions: Predictions, rows: list[dict[str, Any]]) -> Any:
        import pyarrow as pa

        column = predictions.id_column
        whole = column is not None and all(_is_whole(row[column]) for row in rows)
        own = [] if column is None else [(column, pa.int64() if whole else pa.string())]
        shares = [(f"probability_{name}", pa.float64()) for name in predictions.classes]
        return pa.schema([*own, ("row", pa.int64()), ("label", pa.string()), *shares])


class RussianSuperGlue:
    """The leaderboard's file for TERRa: `{"idx": 0, "label": "entailment"}` a line, sorted by idx, each one once.

    Source: the leaderboard's own page of questions, russiansuperglue.com/faq, which wants the file called TERRa.jsonl.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._labels: dict[int, str] = {}

    def write(self, predictions: Predictions) -> None:
        """Take some rows in; DataError for a row without a number of its own, and for other classes than TERRa's."""
        from tuneoff.tasks.russian_superglue import ENTAILMENT

        if predictions.classes != ENTAILMENT:
            raise DataError(
                f"--format russian-superglue: is TERRa's, whose labels are {listed(ENTAILMENT)}; "
                f"this run's are {listed(predictions.classes)}"
            )
        for place, row in enumerate(predictions.rows()):
            idx = _number(row.get("idx"))
            where = predictions.table.where(place, "idx")
            if idx is None:
                raise DataError(f"{where}: the leaderboard wants each row's number; give TERRa's own test.jsonl")
            if idx in self._labels:
                raise DataError(f"{where}: {idx} is there twice, and the leaderboard wants each row once")
            self._labels[idx] = row["label"]

    def close(self) -> None:
        """Write the lines in the order of their numbers."""
        for idx in sorted(self._labels):
            self._file.write(json.dumps({"idx": idx, "label": self._labels[idx]}) + "\n")


LINES: dict[str, Callable[[IO[str]], Writer]] = {
    "jsonl": JsonLines,
    "csv": Separated,
    "russian-superglue": RussianSuperGlue,
}


def _fit_ids(rows: list[dict[str, Any]], predictions: Predictions, whole: bool) -> None:
    column = predictions.id_column
    assert column is not None
    for place, row in enumerate(rows):
        value = row[column]
        if whole and value is not None and not _is_whole(value):
            raise DataError(
                f"{predictions.table.where(place, column)}: {value!r} is no whole number (of 64 bits), as those before "
                "are; write .jsonl or .csv instead"
            )
        row[column] = value if whole or value is None else str(value)


def _is_whole(value: Any) -> bool:
    """Return whether a value is a whole number that files with types can hold."""
    return type(value) is int and -(2**63) <= value < 2**63


def _number(value: Any) -> int | None:
    """Return a whole number, also one that a file without types has as text; None for anything else."""
    if _is_whole(value):
        return int(value)
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else None
