"""Predictions made elsewhere: a file a technique, read row by row and checked, as answers that can be compared."""

import codecs
import json
import re
import sys
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuneoff.errors import DataError
from tuneoff.evidence.answers import Answers
from tuneoff.tasks.files import READERS, find_file, refuse_surrogates
from tuneoff.words import listed, shortened

Row = Mapping[str, Any]

WHOLE = re.compile(r"-?[0-9]{1,18}")
SHAPE = '{"id": "t17", "label": "yes", "prediction": "no", "seed": 0}; id and seed may be left out'
BY_ORDER = " Without an id, examples are matched by the order of their lines within a seed; give each an id."
LINE, ROW = "line {}", "row {} (counted from 0)"
UNSEEN, WRONG, RIGHT = 0, 1, 2


@dataclass(frozen=True)
class PredictionFile:
    """A technique's name, the file with its predictions, and which of them are right, by seed and example."""

    technique: str
    path: Path
    answers: Answers


def read_prediction_files(paths: Sequence[Path]) -> list[PredictionFile]:
    """Read two files or more of predictions on the same examples; each is one technique.

    A file has a JSON object a line (.jsonl), or the same as the columns of a .csv, .tsv or .parquet: `label`,
    `prediction`, and perhaps `id` (else the order of the lines tells examples apart) and `seed` (else it is 0); other
    fields are left aside. Values are compared as text, so that 1 and "1" are the same. The examples of all answers
    stand in the order of the first file. Raises DataError, with file, line and field where there is one, for what
    cannot be read, for an example that a file or a seed lacks or has twice, and for labels that contradict each other.
    """
    names = technique_names(paths)
    for path in paths:
        if not path.is_file():
            find_file(str(path), Path(), "tuneoff compare")  # raises, with the names that are near
    first: _Content | None = None
    found = []
    # The examples of the first file stay, those of another one go as soon as they are matched with them.
    for name, path in zip(names, paths, strict=True):
        content = _read(path)
        first = first or content
        found.append(PredictionFile(name, path, content.answers(_order(content, first))))
    return found


def technique_names(paths: Sequence[Path]) -> list[str]:
    """Return the files' names without suffix; of files that share it, with the suffix or as few folders as it takes.

    Raises DataError for fewer than two files and for a file that is named twice.
    """
    if len(paths) < 2:
        raise DataError(f"{listed(map(str, paths)) or 'No file'}: comparing takes at least two files of predictions.")
    places = [path.resolve() for path in paths]
    for path, place in zip(paths, places, strict=True):
        if places.count(place) > 1:
            raise DataError(f"{path}: the file is named twice. Give each technique its own file.")
    options = [list(_names(path.absolute())) for path in paths]
    return [next(name for name in own if sum(name in others for others in options) == 1) for own in options]


def _names(path: Path) -> Iterator[str]:
    for depth in range(1, len(path.parts)):
        folders = path.parts[-depth:-1]
        yield "/".join((*folders, path.stem))
        yield "/".join((*folders, path.name))


class _Content:
    """What is kept of a file: a byte for each prediction, and once for each example its label and where it stands."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.place = LINE
        self.numbers: dict[str, int] = {}
        self.labels: list[str] = []
        self._places = array("q")
        self._seeds: dict[int, bytearray] = {}
        self._given: dict[str, bool] = {}
        # Only for as long as no answer was right.
        self._predictions: set[str] | None = set()

    def where(self, place: int, field: str | None = None) -> str:
        """Return a place of the file in words, with the field that is meant."""
        words = f"{self.path}, {self.place.format(place)}"
        return words if field is None else f"{words}, field '{field}'"

    def first_place(self, number: int) -> str:
        """Return in words where an example stands first."""
        return self.place.format(self._places[number])

    def name(self, number: int) -> str:
        """Return what an example is called in messages."""
        return repr(next(islice(self.numbers, number, None))) if self.numbers else f"number {number + 1} of a seed"

    @property
    def by_order(self) -> str:
        """What to say where examples do not match and have no ids."""
        return "" if self.numbers else BY_ORDER

    def add(self, place: int, row: Row) -> None:
        """Take in a row; raises DataError for one that says too little, or not the same as those before it."""
        label, prediction = self._text(place, row, "label"), self._text(place, row, "prediction")
        answers = self._seeds.setdefault(self._seed(place, row), bytearray())
        number = self._number(place, row, len(answers))
        if number == len(self.labels):
            self.labels.append(sys.intern(label))
            self._places.append(place)
        elif self.labels[number] != label:
            raise DataError(
                f"{self.where(place, 'label')}: {label!r}, but {self.labels[number]!r} for the same example on "
                f"{self.first_place(number)}. An example has one label.{self.by_order}"
            )
        if number < len(answers) and answers[number] != UNSEEN:
            raise DataError(
                f"{self.where(place, 'id')}: {self.name(number)} stands there a second time under the same seed. "
                "Keep one of its predictions; give those of another training another seed."
            )
        answers.extend(bytes(max(number + 1 - len(answers), 0)))
        answers[number] = RIGHT if label == prediction else WRONG
        if label == prediction:
            self._predictions = None
        elif self._predictions is not None:
            self._predictions.add(prediction)

    def _text(self, place: int, row: Row, field: str) -> str:
        value = row.get(field)
        if isinstance(value, str) and value.strip():
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        if field not in row:
            told = f"the field is missing. Fields there: {listed(row) or 'none'}. A line looks like {SHAPE}."
        elif value is None or isinstance(value, str):
            told = "there is no value. Where nothing was predicted, write a word that is no label, such as none."
        else:
            told = f"{shortened(repr(value))} is neither text nor a whole number."
        raise DataError(f"{self.where(place, field)}: {told}")

    def _has(self, place: int, row: Row, field: str) -> bool:
        """Return whether a row has a field that may be left out; all rows must say the same."""
        given = row.get(field) not in (None, "")
        if self._given.setdefault(field, given) != given:
            told = "is given here, but not" if given else "is missing here, but given"
            raise DataError(f"{self.where(place, field)}: it {told} in the lines before. Give it in all or in none.")
        return given

    def _seed(self, place: int, row: Row) -> int:
        if not self._has(place, row, "seed"):
            return 0
        given = row["seed"]
        if isinstance(given, bool) or not isinstance(given, int | str) or not WHOLE.fullmatch(str(given).strip()):
            raise DataError(f"{self.where(place, 'seed')}: {shortened(repr(given))} is no whole number. Write it as 0.")
        return int(given)

    def _number(self, place: int, row: Row, following: int) -> int:
        if not self._has(place, row, "id"):
            return following
        return self.numbers.setdefault(self._text(place, row, "id"), len(self.numbers))

    def check(self) -> None:
        """Raise DataError for a file that is too short, a seed that lacks examples, and predictions of other names."""
        count = len(self.labels)
        if count < 2:
            had = f"{count} example, but comparing takes at least two" if count else "the file has no predictions"
            raise DataError(f"{self.path}: {had}. A line looks like {SHAPE}.")
        for seed, answers in self._seeds.items():
            missing = count - len(answers) + answers.count(UNSEEN)
            if missing:
                first = answers.find(UNSEEN) if UNSEEN in answers else len(answers)
                raise DataError(
                    f"{self.path}: seed {seed} lacks {missing} of the {count} examples that other seeds have, first "
                    f"{self.name(first)} ({self.first_place(first)}). Every seed needs all of them.{self.by_order}"
                )
        if self._predictions and not self._predictions & set(self.labels):
            raise DataError(
                f"{self.path}: no prediction is one of the labels: predicted was {min(self._predictions)!r}, say, and "
                f"the first label is {self.labels[0]!r}. Write both in the same way."
            )

    def answers(self, order: NDArray[np.int64]) -> Answers:
        """Return which answers are right, seeds ascending, examples in the order given."""
        seeds = sorted(self._seeds)
        right = np.stack([np.frombuffer(self._seeds[seed], np.uint8)[order] == RIGHT for seed in seeds])
        return Answers(tuple(seeds), np.arange(len(order)), right)


def _read(path: Path) -> _Content:
    suffix = path.suffix.lower()
    if suffix not in READERS:
        hint = " If it holds one JSON object a line, name it .jsonl." if suffix == ".json" else ""
        raise DataError(f"{path}: files are read as {listed(READERS)}, not as '{suffix}'.{hint}")
    content = _Content(path)
    for place, row in _json_lines(path) if suffix == ".jsonl" else _table_rows(path, suffix, content):
        content.add(place, row)
    content.check()
    return content


def _table_rows(path: Path, suffix: str, content: _Content) -> Iterator[tuple[int, Row]]:
    table = READERS[suffix](path, str(path))
    content.place = ROW if table.unit == "row" else LINE
    yield from zip(table.places, table.rows, strict=True)


def _json_lines(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield the number of each line that is not blank, and its object, without holding the whole file."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
            if text.isspace() or not text:
                continue
            try:
                row = json.loads(text.decode())
            except (ValueError, RecursionError) as error:
                raise DataError(f"{path}, line {number}: not JSON ({error}). A line looks like {SHAPE}.") from error
            if not isinstance(row, dict):
                raise DataError(f"{path}, line {number}: a JSON {type(row).__name__}, where an object is expected.")
            if b"\\u" in text:
                refuse_surrogates(row, f"{path}, line {number}")
            yield number, row


def _order(content: _Content, first: _Content) -> NDArray[np.int64]:
    """Return where the examples of the first file stand in another one; DataError where they are not the same ones."""
    if bool(content.numbers) != bool(first.numbers):
        with_ids, without = (content, first) if content.numbers else (first, content)
        raise DataError(
            f"{without.path}: its examples have no id, but those of {with_ids.path} have. Give ids in all files, or in "
            "none, with the same order of the lines in all."
        )
    _refuse_others(content, first)
    count = len(first.labels)
    order = np.fromiter((content.numbers[name] for name in first.numbers) if first.numbers else range(count), np.int64)
    differing = [(number, at) for number, at in enumerate(order) if content.labels[at] != first.labels[number]]
    if differing:
        number, at = differing[0]
        raise DataError(
            f"{content.path}, {content.first_place(at)}, field 'label': {content.labels[at]!r}, but "
            f"{first.labels[number]!r} in {first.path}, {first.first_place(number)}, for the same example "
            f"({first.name(number)}). In all {len(differing)} of {count} labels differ.{first.by_order}"
        )
    return order


def _refuse_others(content: _Content, first: _Content) -> None:
    told = []
    for has, lacks in ((first, content), (content, first)):
        if has.numbers:
            missing = [number for name, number in has.numbers.items() if name not in lacks.numbers]
        else:
            missing = list(range(len(lacks.labels), len(has.labels)))
        if missing:
            told.append(
                f"{lacks.path} lacks {len(missing)} of the {len(has.labels)} examples of {has.path}, first "
                f"{has.name(missing[0])} ({has.first_place(missing[0])})"
            )
    if told:
        raise DataError(f"{'; '.join(told)}. Leave in all files the examples that all of them have.{first.by_order}")
