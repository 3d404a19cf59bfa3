"""Confidence intervals of F1 and Matthews' correlation, over seeds and examples as the accuracy's is."""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from tuneoff.evidence.crossed import Floats, crossed, half_width
from tuneoff.evidence.intervals import EXAMPLES, LEVEL, SEEDS_AND_EXAMPLES, Interval
from tuneoff.evidence.metrics import Labels, count_answers

Counts = NDArray[np.float64]
_END = 1e-9


def metric_interval(name: str, labels: Labels, given: NDArray[np.int64], level: float = LEVEL) -> Interval | None:
    """Return the interval of one of INTERVALS from labels (examples,) and the classes answered, (seeds, examples).

    Each example counts with its influence on the metric (the infinitesimal jackknife: Jaeckel 1972, The Infinitesimal
    Jackknife, Bell Laboratories memorandum MM 72-1215-11; Efron 1982, The Jackknife, the Bootstrap and Other Resampling
    Plans, chapter 6), which for many examples is what resampling them gives. A seed's influences around its value are
    then analysed as the zeros and ones of an accuracy are (`crossed`): with one seed the interval holds for that
    trained model on new examples, with several for new seeds too. It is taken on a scale on which the metric has no
    ends, Fisher's z or the logit, and back.

    None where it cannot be told: for fewer than two examples, a metric at an end of its scale, or answers on which no
    example has influence, as where all are one class.

    >>> labels = np.arange(400) % 2
    >>> given = np.where(np.arange(400) % 10 < 3, 1 - labels, labels)
    >>> found = metric_interval("mcc", labels, given[None])
    >>> f"{found.low:.2f} to {found.high:.2f}"
    '0.32 to 0.49'
    """
    if len(labels) < 2:
        return None
    compute, lowest = INTERVALS[name]
    classes = int(max(labels.max(), given.max())) + 1
    parts = crossed([_around(compute, labels, one, classes) for one in given])
    value, half = float(parts.mean), float(half_width(level, parts))
    if half < _END or not lowest + _END < value < 1 - _END:
        return None
    # Both scales are a logit of where the value lies between its ends; Fisher's z is half of that one's.
    place, width = (value - lowest) / (1 - lowest), half / (1 - lowest)
    centre, reach = np.log(place / (1 - place)), width / (place * (1 - place))
    low, high = (lowest + (1 - lowest) / (1 + np.exp(-(centre + side * reach))) for side in (-1, 1))
    return Interval(float(low), float(high), level, EXAMPLES if len(given) == 1 else SEEDS_AND_EXAMPLES)


def _around(compute: "Derivative", labels: Labels, given: NDArray[np.int64], classes: int) -> Floats:
    """A seed's metric plus each example's influence, (examples,): their mean is the metric."""
    value, slopes = compute(count_answers(labels, given, classes).astype(np.float64))
    return value + len(labels) * slopes[labels, given]


def _f1(counts: Counts) -> tuple[float, Counts]:
    slopes = np.zeros_like(counts)
    if len(counts) < 2 or not (whole := counts[1].sum() + counts[:, 1].sum()):
        return 0.0, slopes
    value = float(2 * counts[1, 1] / whole)
    slopes[1, 1] += 2 / whole
    slopes[1, :] -= value / whole
    slopes[:, 1] -= value / whole
    return value, slopes


def _macro_f1(counts: Counts) -> tuple[float, Counts]:
    whole = counts.sum(axis=0) + counts.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        each = np.where(whole > 0, 2 * np.diag(counts) / whole, 0.0)
        falls, rises = np.where(whole > 0, each / whole, 0.0), np.where(whole > 0, 2 / whole, 0.0)
    occur = int((whole > 0).sum())
    return float(each.sum() / occur), (np.diag(rises) - falls[:, None] - falls[None, :]) / occur


def _mcc(counts: Counts) -> tuple[float, Counts]:
    truly, guessed, rows, hits = counts.sum(axis=1), counts.sum(axis=0), counts.sum(), np.trace(counts)
    of_labels, of_answers = rows**2 - truly @ truly, rows**2 - guessed @ guessed
    if of_labels <= 0 or of_answers <= 0:
        return 0.0, np.zeros_like(counts)
    root = np.sqrt(of_labels * of_answers)
    value = float((hits * rows - truly @ guessed) / root)
    above = np.eye(len(counts)) * rows + hits - guessed[:, None] - truly[None, :]
    below = (rows - truly)[:, None] / of_labels + (rows - guessed)[None, :] / of_answers
    return value, above / root - value * below


Derivative = Callable[[Counts], tuple[float, Counts]]
INTERVALS: Mapping[str, tuple[Derivative, float]] = {
    "macro_f1": (_macro_f1, 0.0),
    "f1": (_f1, 0.0),
    "mcc": (_mcc, -1.0),
}
"""By metric: its value and its derivatives by the counts of label and answer, (classes, classes), and its lowest."""


def metric_intervals(
    known: Mapping[str, object], labels: Labels | None, given: NDArray[np.int64] | None
) -> dict[str, dict[str, object] | None]:
    """Return the intervals of all INTERVALS as JSON values; None for a metric whose value is not `known`."""
    found: dict[str, dict[str, object] | None] = {}
    for name in INTERVALS:
        interval = None
        if known.get(name) is not None and labels is not None and given is not None:
            interval = metric_interval(name, labels, given)
        found[name] = interval.as_json() if interval else None
    return found
