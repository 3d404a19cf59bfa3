"""Techniques over several tasks: mean ranks, whether they differ by more than chance, and which pairs are told apart.

The tests are those that J. Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7 (2006), 1-30,
advises. Their sample is the tasks: an accuracy counts as it is, however many examples or seeds it is over. Models are
treated one by one, since accuracies of two models on one task do not vary independently.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

EXACT, IMAN_DAVENPORT = "permutations of the ranks", "F of Iman and Davenport"
MOST_ARRANGEMENTS = 50_000
DIGITS = 10  # means over seeds that are the same number may differ in the last bits


@dataclass(frozen=True)
class Friedman:
    """Whether ranks differ by more than chance; `statistic` and `f` are None where they have no value."""

    statistic: float | None
    f: float | None
    freedom: tuple[int, int]
    p: float
    method: str

    def as_json(self) -> dict[str, Any]:
        """Return its fields as JSON values."""
        return {
            "statistic": self.statistic,
            "f": self.f,
            "freedom": list(self.freedom),
            "p": self.p,
            "method": self.method,
        }


def ranks(accuracies: ArrayLike) -> Floats:
    """Return ranks (tasks, techniques) of accuracies of that shape: 1 for the highest, means of places for equal ones.

    >>> ranks([[0.7, 0.9, 0.7]]).tolist()
    [[2.5, 1.0, 2.5]]
    """
    from scipy.stats import rankdata

    values = np.round(np.asarray(accuracies, dtype=np.float64), DIGITS)
    return np.asarray(rankdata(-values, axis=1), dtype=np.float64)


def friedman(accuracies: ArrayLike) -> Friedman:
    """Return Friedman's test of accuracies (tasks, techniques), two techniques and two tasks at least.

    Friedman (1937), JASA 32, 675-701, corrected for ties. With so few tasks and techniques that all arrangements of the
    ranks can be counted, p is their share that is as uneven; else it is that of the F distribution (Iman & Davenport
    1980, Communications in Statistics A9, 571-595), which is less conservative than the chi-squared. No p is smaller
    than that of the same order in every task.
    """
    from scipy.stats import f as f_distribution

    found = ranks(accuracies)
    tasks, techniques = found.shape
    freedom = techniques - 1, (techniques - 1) * (tasks - 1)
    sums = found.sum(axis=0)
    uneven = float(((sums - sums.mean()) ** 2).sum())
    within = float(((found - found.mean(axis=1, keepdims=True)) ** 2).sum())
    if within == 0:  # all are equal in every task
        return Friedman(None, None, freedom, 1.0, EXACT)
    statistic = (techniques - 1) * uneven / within
    left = tasks * (techniques - 1) - statistic
    f = (tasks - 1) * statistic / left if left > 1e-9 * statistic else None
    arrangements = math.factorial(techniques) ** (tasks - 1)
    if arrangements <= MOST_ARRANGEMENTS:
        return Friedman(statistic, f, freedom, _share_as_uneven(found, uneven), EXACT)
    p = 0.0 if f is None else float(f_distribution.sf(f, *freedom))
    return Friedman(statistic, f, freedom, max(p, 1 / arrangements), IMAN_DAVENPORT)


def _share_as_uneven(found: Floats, uneven: float) -> float:
    """Return the share of arrangements of ranks within tasks whose sums are as uneven; the first task's stay."""
    sums = found[:1]
    for row in found[1:]:
        arranged = np.array(list(permutations(row)))
        sums = (sums[:, None, :] + arranged[None, :, :]).reshape(-1, found.shape[1])
    spread = ((sums - sums.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    return float((spread >= uneven - 1e-9).mean())


def critical_difference(techniques: int, tasks: int, level: float) -> float:
    """Return the difference of mean ranks from which on Nemenyi's test tells two techniques apart.

    Nemenyi (1963), after Demšar (2006), pages 11-12: the quantile of the studentized range for infinite degrees of
    freedom, over the square root of 2, times the standard deviation of a mean rank. It is for many tasks, and whether
    two differ depends on the others (Benavoli, Corani & Mangili 2016, Should We Really Use Post-Hoc Tests Based on
    Mean-Ranks?, JMLR 17(5), 1-10), so it decides no verdict here.
    """
    from scipy.stats import studentized_range

    quantile = float(studentized_range.ppf(1 - level, techniques, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(techniques * (techniques + 1) / (6 * tasks))


def signed_rank_p(differences: ArrayLike) -> float:
    """Return the exact two-sided p of Wilcoxon's signed-rank test for differences (tasks,).

    Wilcoxon (1945), Biometrics Bulletin 1, 80-83. Differences of 0 are ranked with the others and then have no sign
    (Pratt 1959, JASA 54, 655-667); equal ones share their rank; p is the share of the signs' arrangements that are as
    one-sided, so ties need no approximation.
    """
    signed = _twice_signed(differences)
    weights = np.abs(signed[signed != 0])
    total = int(weights.sum())
    shares = np.zeros(total + 1)  # of the arrangements in which the positive ranks sum to the index
    shares[0] = 1.0
    for weight in weights:
        moved = np.zeros_like(shares)
        moved[weight:] = shares[: total + 1 - weight]
        shares = (shares + moved) / 2
    sums = 2 * np.arange(total + 1) - total
    return min(1.0, float(shares[np.abs(sums) >= abs(int(signed.sum()))].sum()))


def signed_rank_sum(differences: ArrayLike) -> float:
    """Return the ranks of the differences that are above 0 less those below: its sign says which side the test takes.

    >>> signed_rank_sum([0.01, 0.02, -0.3])
    0.0
    """
    return float(_twice_signed(differences).sum()) / 2


def _twice_signed(differences: ArrayLike) -> NDArray[np.int64]:
    """Return twice the signed ranks of differences, as whole numbers: equal ones may share half a rank."""
    from scipy.stats import rankdata

    values = np.round(np.asarray(differences, dtype=np.float64), DIGITS)
    return np.rint(2 * rankdata(np.abs(values)) * np.sign(values)).astype(np.int64)


def smallest_p(tasks: int, pairs: int) -> float:
    """Return the smallest p, corrected for so many pairs, that a signed-rank test over so many tasks can give.

    It is that of differences of one sign in every task, whatever their size: two of the 2^tasks arrangements.

    >>> smallest_p(3, 1), smallest_p(6, 1)
    (0.25, 0.03125)
    """
    return min(1.0, pairs * 2.0 ** (1 - tasks))


def tasks_needed(pairs: int, level: float) -> int:
    """Return the fewest tasks with which one of so many pairs could be told apart at a level.

    >>> tasks_needed(1, 0.05), tasks_needed(10, 0.05)
    (6, 9)
    """
    return next(tasks for tasks in range(2, 64) if smallest_p(tasks, pairs) <= level)


def mean_interval(bounds: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    """Return the mean of independent estimates with its interval, from each one's (value, low, high).

    It is about these tasks alone. Zou & Donner (2008), Statistics in Medicine 27, 1693-1702: distances to the limits
    add like standard deviations, so that limits need not be symmetric.
    """
    value, low, high = np.asarray(bounds, dtype=np.float64).T
    mean, count = float(value.mean()), len(value)
    below, above = (float(np.sqrt(((end - value) ** 2).sum())) / count for end in (low, high))
    return mean, mean - below, mean + above
