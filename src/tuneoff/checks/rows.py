"""Rows as findings speak of them: which data are meant, and some of the rows by number."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuneoff.tasks.data_set import Split, TaskData
from tuneoff.words import shortened

if TYPE_CHECKING:
    from tuneoff.checks.patient import Patient

MOST_NAMED = 5


def trained_data(patient: "Patient") -> TaskData:
    """Return the data that a run trains on: of a task in folds the first fold's, whose test is not in its train."""
    return next(iter(patient.task.by_fold.values()))


def labelled(data: TaskData) -> dict[str, Split]:
    """Return the labelled splits by name: train, dev if there is one, test, and further test sets."""
    return {name: split for name, split in data.splits.items() if split.labels is not None}


def label_numbers(split: Split) -> list[int]:
    """Return the class numbers of a labelled split's rows."""
    assert split.labels is not None
    return [int(label) for label in split.labels]


def numbers(split: Split, places: Sequence[int]) -> list[int]:
    """Return the numbers that some rows of a split have in their file, counted from 0; at most five."""
    return [int(split.rows[place]) for place in places[:MOST_NAMED]]


def quoted(label: str) -> str:
    """Return a class name in quotation marks, cut if it is long, with what cannot be printed written as escapes."""
    return shortened(repr(label))
