"""Accuracy by slice: the same technique on parts of test that a column names, with the size and interval of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_VALUES = 20
LONGEST_VALUE = 200  # characters of a slice's name
SEEN, UNSEEN = "seen in train", "not seen in train"


@dataclass(frozen=True)
class SliceAccuracy:
    """Accuracy on the examples of a slice, as the mean over seeds, with an interval that covers examples only."""

    value: str
    examples: int
    accuracy: float
    low: float
    high: float


def accuracy_by_slice(right: NDArray[np.bool_], column: Sequence[str], level: float = 0.95) -> dict[str, SliceAccuracy]:
    """Return the accuracy for each value of a column, values ascending; right (seeds, examples), column (examples,).

    The interval is Wilson's (1927, Journal of the American Statistical Association 22, 209-212) with the slice's
    examples, however many seeds there are: seeds repeat the same examples and do not add any. Slices are many and
    small. A slice that stands out may do so by chance; its interval is not corrected for that.
    """
    from statsmodels.stats.proportion import proportion_confint

    if right.shape[1] != len(column):
        raise ValueError(f"{right.shape[1]} examples, but the column has {len(column)} values")
    values, place = np.unique(np.asarray(column, dtype=str), return_inverse=True)
    counts = np.bincount(place, minlength=len(values))
    hits = np.bincount(place, weights=right.mean(axis=0), minlength=len(values))
    low, high = proportion_confint(hits, counts, alpha=1 - level, method="wilson")
    return {
        str(value): SliceAccuracy(str(value), int(n), float(hit / n), float(a), float(b))
        for value, n, hit, a, b in zip(values, counts, hits, low, high, strict=True)
    }


def slice_columns(columns: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the columns that cut test into slices: those with two to twenty values, some of which occur again.

    A column of long texts is none: its values head rows of a table.
    """
    short = {name: values for name, values in columns.items() if len(max(name, *values, key=len)) <= LONGEST_VALUE}
    counted = {name: len(set(values)) for name, values in short.items()}
    return [name for name, count in counted.items() if 2 <= count <= min(MOST_VALUES, len(columns[name]) // 2)]


def seen_in_train(test: Sequence[str], train: Sequence[str]) -> list[str]:
    """Return for each test value (a premise, or a group) whether it stands in train, as the value of a slice."""
    known = set(train)
    return [SEEN if value in known else UNSEEN for value in test]
