"""Reading a file of rows a chunk at a time, so that its size does not matter; what cannot be read is refused."""

import codecs
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from tuneoff.errors import DataError
from tuneoff.tasks.files import READERS, json_row, refuse_repeated, separated_records, separated_row
from tuneoff.tasks.table import Table
from tuneoff.words import listed

SEPARATORS = {".csv": ",", ".tsv": "\t"}


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file in their order; `first` is the first one's number, from 0, `share` how much of it is read."""

    table: Table
    first: int
    share: float


def read_chunks(path: Path, origin: str, size: int, *, unquoted: bool = False) -> Iterator[Chunk]:
    """Yield a file's rows, at most `size` at a time, read by its suffix as `read_table` would read them.

    In `unquoted` files of separated fields quotation marks are text, as in GLUE's. A chunk's columns are all those met
    so far. Raises DataError, with the line where there is one, for what is no row, when it is reached, and for a file
    without rows.
    """
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise DataError(f"{origin}: files are read as {listed(READERS)}, not as '{suffix}'.")
    try:
        chunks = _parquet(path, origin, size) if suffix == ".parquet" else _lines(path, origin, size, unquoted)
        first = 0
        for table, share in chunks:
            yield Chunk(table, first, share)
            first += len(table)
    except OSError as error:
        raise DataError(f"{origin}: cannot be read: {error.strerror or error}.") from error
    if not first:
        raise DataError(f"{origin}: the file has no rows.")


def _lines(path: Path, origin: str, size: int, unquoted: bool) -> Iterator[tuple[Table, float]]:
    """Yield the rows of a file of lines, and the share of its bytes that is read."""
    whole = max(1, path.stat().st_size)
    with path.open("rb") as file:
        suffix = path.suffix.lower()
        delimiter = SEPARATORS.get(suffix)
        rows = _separated(file, origin, delimiter, unquoted) if delimiter else _json(file, origin)
        columns: dict[str, None] = {}
        taken: list[tuple[int, dict[str, Any]]] = []
        for place, row in rows:
            taken.append((place, row))
            columns |= dict.fromkeys(row)
            if len(taken) == size:
                yield _table(origin, columns, taken), file.tell() / whole
                taken = []
        if taken:
            yield _table(origin, columns, taken), 1.0


def _table(origin: str, columns: dict[str, None], taken: Sequence[tuple[int, dict[str, Any]]]) -> Table:
    return Table(origin, tuple(columns), [row for _, row in taken], [place for place, _ in taken])


def _json(file: BinaryIO, origin: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(_decoded(file, origin), start=1):
        if line.strip():
            yield number, json_row(line, f"{origin}, line {number}")


def _separated(file: BinaryIO, origin: str, delimiter: str, unquoted: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    header: list[str] = []
    lines = _decoded(file, origin)
    records = _split(lines, delimiter) if unquoted else separated_records(lines, origin, delimiter)
    for place, values in records:
        if header:
            yield place, dict(separated_row(header, values, f"{origin}, line {place}"))
        else:
            refuse_repeated(values, origin)
            header = values


def _split(lines: Iterable[str], delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of each line that is not blank, and its fields."""
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield number, line.rstrip("\r\n").split(delimiter)


def _decoded(file: BinaryIO, origin: str) -> Iterator[str]:
    """Yield the lines of a file with their ends; only the newline ends one."""
    # By readline, not by iteration, which would leave `tell` where the buffer ends.
    for number, line in enumerate(iter(file.readline, b""), start=1):
        content = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
        try:
            yield content.decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{origin}, line {number}: the bytes are not UTF-8. Save the file as UTF-8.") from error


def _parquet(path: Path, origin: str, size: int) -> Iterator[tuple[Table, float]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            refuse_repeated(file.schema_arrow.names, origin)
            whole, done = max(1, file.metadata.num_rows), 0
            for batch in file.iter_batches(batch_size=size):
                places = range(done, done + batch.num_rows)
                done += batch.num_rows
                yield Table(origin, tuple(batch.schema.names), batch.to_pylist(), places, "row"), done / whole
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{origin}: not a Parquet file that can be read ({reason}). Copy it again, or write it anew."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{origin}: a text in it is not UTF-8 ({error}). Write the file anew as UTF-8.") from error
