"""Tab-separated files in which quotation marks are text, as in GLUE: a sentence may open a quotation and not close it.

The rules of CSV, by which a field that starts with a mark goes on to the next one, would swallow lines of these files.
"""

from dataclasses import dataclass
from pathlib import Path

from tuneoff.errors import DataError
from tuneoff.tasks.files import decoded
from tuneoff.tasks.table import Table

ID = "idx"
MOST_BROKEN = 100
"""At most one line in so many may have another number of fields than the header; of more it is another file."""


@dataclass(frozen=True)
class Unquoted:
    """The rows of a file, and how many of its lines are none as they have too few or too many fields."""

    table: Table
    broken: int


def read_unquoted(path: Path, origin: str, header: tuple[str, ...] | None) -> Unquoted:
    """Read a file of lines with fields set apart by tabs; `header` names them where the file has no line that does.

    Each row gets `idx`, its number from 0 in the file, broken lines counted. Raises DataError for bytes that are not
    UTF-8, for a file without rows, and for one of which more than one line in a hundred is broken.
    """
    try:
        lines = decoded(path, origin).split("\n")
    except OSError as error:
        raise DataError(f"{origin}: cannot be read: {error.strerror or error}.") from error
    numbered = [(place, line.removesuffix("\r").split("\t")) for place, line in enumerate(lines, 1) if line.strip()]
    if header is None and numbered:
        header = tuple(numbered.pop(0)[1])
    if not header or not numbered:
        raise DataError(f"{origin}: the file has no rows. A split needs at least one.")
    whole = [(n, place, fields) for n, (place, fields) in enumerate(numbered) if len(fields) == len(header)]
    broken = len(numbered) - len(whole)
    if broken * MOST_BROKEN > len(numbered):
        place, fields = next(one for one in numbered if len(one[1]) != len(header))
        raise DataError(
            f"{origin}, line {place}: {len(fields)} fields where {len(header)} are expected, and {broken:,} of the "
            f"{len(numbered):,} lines are so. Fetch the benchmark's own file again."
        )
    rows = [{**dict(zip(header, fields, strict=True)), ID: n} for n, _, fields in whole]
    return Unquoted(Table(origin, (*header, ID), rows, [place for _, place, _ in whole]), broken)
