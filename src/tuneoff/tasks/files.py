"""Reading .jsonl, .csv, .tsv and .parquet files into tables; what cannot be read is refused with its line."""

import codecs
import contextlib
import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tuneoff.errors import DataError, DataNotHereError
from tuneoff.tasks.table import Table, name_classes
from tuneoff.words import listed, near, shortened

MOST_LISTED = 8


def find_file(given: str, base: Path, key: str) -> Path:
    """Return the file that a study means: taken from the study's folder `base`, else from the current folder.

    Raises DataError if it is in neither, with the places looked in and the files there with a name like it.
    """
    places = _places(given, base, key)
    for place in places:
        if place.is_file():
            return place
    for place in places:
        if place.is_dir():
            raise DataError(f"{key}: {place} is a folder. Name a file in it: {_inside(place)}.")
    hints = dict.fromkeys(_near_by(place) for place in places)
    looked = " and ".join(map(str, places))
    raise DataNotHereError(f"{key}: there is no file '{given}'. Looked for {looked}.{''.join(hints)}")


def find_folder(given: str, base: Path, key: str) -> Path:
    """Return the folder that a study means, as `find_file` does for a file."""
    places = _places(given, base, key)
    for place in places:
        if place.is_dir():
            return place
    raise DataNotHereError(f"{key}: there is no folder '{given}'. Looked for {' and '.join(map(str, places))}.")


def read_table(path: Path, origin: str) -> Table:
    """Read a data file, by its suffix; `origin` is what messages call it.

    Raises DataError, with the line where there is one, for a suffix that is not known, bytes that are not UTF-8, a
    line that is not a row, and a file without rows.
    """
    suffix = path.suffix.lower()
    if suffix not in READERS:
        hint = " If it holds one JSON object a line, name it .jsonl." if suffix == ".json" else ""
        raise DataError(f"{origin}: files are read as {listed(READERS)}, not as '{suffix}'.{hint}")
    try:
        table = READERS[suffix](path, origin)
    except OSError as error:
        raise DataError(f"{origin}: cannot be read: {error.strerror or error}.") from error
    if not len(table):
        raise DataError(f"{origin}: the file has no rows. A split needs at least one.")
    return table


def _read_json_lines(path: Path, origin: str) -> Table:
    rows, places = [], []
    # Only the newline ends a row: other line separators of Unicode may stand inside a JSON string.
    for number, line in enumerate(decoded(path, origin).split("\n"), start=1):
        if line.strip():
            rows.append(json_row(line, f"{origin}, line {number}"))
            places.append(number)
    columns = dict.fromkeys(column for row in rows for column in row)
    return Table(origin, tuple(columns), rows, places)


def json_row(line: str, where: str) -> dict[str, Any]:
    """Return the object of a line; DataError, beginning with `where`, for anything else."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(
            f'{where}: not JSON ({error}). Each line must hold one object, such as {{"text": "...", "label": "..."}}.'
        ) from error
    if not isinstance(row, dict):
        raise DataError(f"{where}: a JSON {type(row).__name__}, where an object is expected.")
    if "\\u" in line:
        refuse_surrogates(row, where)
    return row


def refuse_surrogates(row: Mapping[str, Any], where: str) -> None:
    """Raise DataError for an object with half of a surrogate pair in it, which JSON can spell and UTF-8 cannot."""
    for column, value in row.items():
        text = json.dumps([column, value], ensure_ascii=False)
        try:
            text.encode()
        except UnicodeEncodeError as error:
            half = text[error.start]
            raise DataError(
                f"{where}, field {column!r}: half of a surrogate pair ({half!r}), which is no text. Remove it."
            ) from error


def read_separated(path: Path, origin: str, delimiter: str) -> Table:
    """Read a file with a header and fields set apart by `delimiter`; all values are text.

    Raises DataError, with the line, for bytes that are not UTF-8 and lines that are not rows.
    """
    header: list[str] = []
    rows: list[dict[str, str]] = []
    places = []
    for place, values in separated_records(io.StringIO(decoded(path, origin), newline=""), origin, delimiter):
        if not header:
            refuse_repeated(values, origin)
            header = values
        else:
            rows.append(separated_row(header, values, f"{origin}, line {place}"))
            places.append(place)
    return Table(origin, tuple(header), rows, places)


def separated_row(header: list[str], values: list[str], where: str) -> dict[str, str]:
    """Return a row by columns; DataError, beginning with `where`, for one with more or fewer fields."""
    if len(values) != len(header):
        raise DataError(
            f"{where}: {len(values)} fields, but the header has {len(header)} "
            f"({listed(header)}). Quote a text that contains the separator, a quotation mark or a line break."
        )
    return dict(zip(header, values, strict=True))


def separated_records(lines: Iterable[str], origin: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each record starts, with its fields; blank lines are no records.

    Raises DataError, with the line, for quotation marks that do not close.
    """
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    with _long_fields():
        while True:
            start = reader.line_num + 1
            try:
                values = next(reader, None)
            except csv.Error as error:
                raise DataError(
                    f"{origin}, line {start}: {error}. A field that starts with a quotation mark must end with one, "
                    "and marks inside it are doubled."
                ) from error
            if values is None:
                return
            if values:
                yield start, values


@contextlib.contextmanager
def _long_fields() -> Iterator[None]:
    """Lift the csv module's limit of 131,072 characters a field, and put it back."""
    former = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        yield
    finally:
        csv.field_size_limit(former)


def _read_parquet(path: Path, origin: str) -> Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # ParquetFile, not read_table: that one would add columns from the names of the folders above.
        content = pq.ParquetFile(path).read()
        refuse_repeated(content.column_names, origin)
        rows = content.to_pylist()
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(
            f"{origin}: not a Parquet file that can be read ({reason}). Copy it again, or write it anew."
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(f"{origin}: a text in it is not UTF-8 ({error}). Write the file anew as UTF-8.") from error
    table = Table(origin, tuple(content.column_names), rows, range(len(rows)), "row")
    return name_classes(table, _class_names(content.schema.metadata or {}, origin))


def _class_names(metadata: dict[bytes, bytes], origin: str) -> dict[str, tuple[str, ...]]:
    """Return the class names that the `datasets` library keeps in a Parquet file's metadata, by column."""
    try:
        features = json.loads(metadata.get(b"huggingface", b"{}")).get("info", {}).get("features", {})
        found = {
            column: feature["names"]
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
        if not all(isinstance(names, list) and all(map(_is_text, names)) for names in found.values()):
            raise TypeError("names of classes are texts")
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{origin}: its metadata 'huggingface' are not as the datasets library writes them ({error}). Write the "
            "file anew, without them if the labels are names."
        ) from error
    return {column: tuple(names) for column, names in found.items()}


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def decoded(path: Path, origin: str) -> str:
    """Return a file's text, without a mark of its byte order; DataError, with the line, for bytes that are no UTF-8."""
    content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{origin}, line {line}: the bytes are not UTF-8. Save the file as UTF-8.") from error


def refuse_repeated(columns: list[str], origin: str) -> None:
    """Raise DataError for a column that a file has twice."""
    repeated = [name for name, count in Counter(columns).items() if count > 1]
    if repeated:
        raise DataError(f"{origin}, line 1: columns that occur twice: {listed(map(repr, repeated))}. Rename one.")


def _places(given: str, base: Path, key: str) -> list[Path]:
    try:
        path = Path(given).expanduser()
        places = [(base / path).resolve(), path.resolve()]
        for place in places:
            place.is_file()  # raises for a name that no file can have
    except (OSError, RuntimeError, ValueError) as error:
        # A name that is too long, a link to itself, the home of nobody.
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise DataError(f"{key}: '{shortened(given)}' cannot be looked for: {reason}. Correct the path.") from error
    return list(dict.fromkeys(places))


def _near_by(place: Path) -> str:
    """Return a sentence on what stands in the place's folder: names like its own, else the data files."""
    if not place.parent.is_dir():
        return f" There is no folder {place.parent}."
    names = [path.name for path in place.parent.iterdir() if path.is_file()]
    return near(place.name, names) or f" Data files in {place.parent}: {_inside(place.parent)}."


def _inside(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in READERS)
    return listed(names, MOST_LISTED) or "none"


READERS: dict[str, Callable[[Path, str], Table]] = {
    ".jsonl": _read_json_lines,
    ".csv": lambda path, origin: read_separated(path, origin, ","),
    ".tsv": lambda path, origin: read_separated(path, origin, "\t"),
    ".parquet": _read_parquet,
}
