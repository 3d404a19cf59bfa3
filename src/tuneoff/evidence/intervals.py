"""Confidence intervals of accuracies: of one trained model, or of a technique over seeds and examples."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuneoff.evidence.crossed import Crossed, Floats, crossed, half_width

LEVEL = 0.95
EXAMPLES, SEEDS_AND_EXAMPLES = "examples", "seeds and examples"
# Wilson's interval covers too little for some n and p; by enumeration over n from 30 and accuracies from 0.5 to 0.97
# this much more of its last term keeps coverage above 93% everywhere, and at 97% where 10 errors or more are expected.
_WIDER = 1.25


@dataclass(frozen=True)
class Interval:
    """An interval of an accuracy, its level, and what it covers: `examples` alone, or `seeds and examples`."""

    low: float
    high: float
    level: float
    covers: str

    def as_json(self) -> dict[str, Any]:
        """Return its fields as JSON values."""
        return {"low": self.low, "high": self.high, "level": self.level, "covers": self.covers}


def accuracy_interval(right: NDArray[np.bool_], level: float = LEVEL) -> Interval:
    """Return the interval of a technique's accuracy from which answers were right, (seeds, examples).

    With one seed it holds for that trained model on new examples, and says so in `covers`; with several, for the
    technique: new seeds and new examples. Raises ValueError for fewer than two examples.
    """
    parts = crossed(right)
    low, high = bounds(parts, level)
    return Interval(float(low), float(high), level, EXAMPLES if parts.seeds == 1 else SEEDS_AND_EXAMPLES)


def bounds(parts: Crossed, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Return the lower and upper bounds (...,) of shares, from the analysis of zeros and ones.

    Wilson's interval (1927, Journal of the American Statistical Association 22, 209-212), slightly widened, with the
    number of independent answers that has the measured variance in the place of n, and in the place of the normal
    quantile the one that `crossed.half_width` found for these mean squares.
    """
    share = parts.mean
    spread = share * (1 - share)
    variance = parts.variance
    known = (variance > 0) & (spread > 0)
    n = np.where(known, spread / np.where(known, variance, 1.0), parts.examples)
    return wilson(share, n, _quantiles(parts, level, known))


def wilson(share: ArrayLike, n: ArrayLike, quantile: ArrayLike) -> tuple[Floats, Floats]:
    """Return the (widened) Wilson bounds of shares out of n; never of no width, never outside [0, 1]."""
    share, n, square = (np.asarray(value, dtype=np.float64) for value in (share, n, np.square(quantile)))
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = np.sqrt(square * (share * (1 - share) / n + _WIDER * square / (4 * n**2))) / (1 + square / n)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def _quantiles(parts: Crossed, level: float, known: NDArray[np.bool_]) -> Floats:
    """Return how many standard errors make half of the interval."""
    from scipy.special import ndtri

    plain = np.full(parts.mean.shape, ndtri((1 + level) / 2))
    if parts.seeds == 1:
        return plain
    return np.where(known, half_width(level, parts) / np.sqrt(np.where(known, parts.variance, 1.0)), plain)
