"""Confidence intervals of accuracies: of one trained model, or of a technique over seeds and examples."""

from collections.abc import Callable
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
_HALVINGS = 40


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

    With one seed Wilson's interval (1927, Journal of the American Statistical Association 22, 209-212), slightly
    widened. With several the accuracies that are no further from the share than `crossed.half_width`, if the variances
    were those of that accuracy: that of the examples in proportion to accuracy * (1 - accuracy), as in Wilson's
    interval, that between seeds as effects of one size on the probit scale would have it (compare Williams 1982,
    Applied Statistics 31, 144-148, with logits: model III). Accuracies near 1 are skewed: few seeds that happen to be
    good also lie close together, and a variance held for the same everywhere would be too small for what is below.
    """
    from scipy.special import ndtri

    plain = wilson(parts.mean, parts.examples, ndtri((1 + level) / 2))
    if parts.seeds == 1:
        return plain
    mixed = (parts.mean > 0) & (parts.mean < 1)
    low, high = _over_seeds(parts, level, np.where(mixed, parts.mean, 0.5))
    return np.where(mixed, low, plain[0]), np.where(mixed, high, plain[1])


def wilson(share: ArrayLike, n: ArrayLike, quantile: ArrayLike) -> tuple[Floats, Floats]:
    """Return the (widened) Wilson bounds of shares out of n; never of no width, never outside [0, 1]."""
    share, n, square = (np.asarray(value, dtype=np.float64) for value in (share, n, np.square(quantile)))
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = np.sqrt(square * (share * (1 - share) / n + _WIDER * square / (4 * n**2))) / (1 + square / n)
    return np.maximum(centre - half, 0.0), np.minimum(centre + half, 1.0)


def _over_seeds(parts: Crossed, level: float, share: Floats) -> tuple[Floats, Floats]:
    """Return the bounds over seeds and examples of shares that lie between 0 and 1."""
    from scipy.special import stdtrit

    spread = share * (1 - share)
    degrees = _degrees(parts, spread)
    square = half_width(level, parts, degrees=degrees) ** 2
    # What examples alone would give is theirs; all beyond it is due to the seeds, known or possible.
    without_seeds = np.maximum(parts.variance - parts.seed_variance / parts.seeds, 0.0)
    of_examples = np.minimum(square, stdtrit(degrees, (1 + level) / 2) ** 2 * without_seeds)
    of_seeds = square - of_examples
    # The slope of the probit's inverse at the share, for what lies further out; and for what lies further in, drawn
    # in by half an answer a class (Anscombe 1956, Biometrika 43, 461-464): a share that is by chance next to 1 has
    # nearly no slope.
    n = spread / np.where(parts.variance > 0, parts.variance, 1.0)
    own, drawn_in = _slope(share), _slope((n * share + 0.5) / (n + 1))
    wider = (_WIDER - 1) * (square / spread) ** 2 / 4

    def encloses(accuracy: Floats) -> NDArray[np.bool_]:
        slope = _slope(accuracy)
        grown = np.minimum(slope / own, np.maximum(slope / drawn_in, 1.0))
        allowed = of_examples * accuracy * (1 - accuracy) / spread + of_seeds * grown**2 + wider
        return np.asarray((accuracy - share) ** 2 <= allowed, dtype=np.bool_)

    return _furthest(share, np.zeros_like(share), encloses), _furthest(share, np.ones_like(share), encloses)


def _degrees(parts: Crossed, spread: Floats) -> Floats:
    """Return the degrees of freedom (...,) of the examples' part: from how surely zeros and ones tell their variance.

    Two over the squared coefficient of variation of the estimate (Satterthwaite 1946, Biometrics Bulletin 2, 110-114),
    which for n values of kurtosis k is (k - 1) / n; zeros and ones have k = 1 / spread - 3. Not more than the effective
    number of examples allows, and not less than the usual examples - 1.
    """
    n = parts.effective_examples
    with np.errstate(divide="ignore"):
        known = 2 * n * spread / np.maximum(1 - 4 * spread, 0.0)
    return np.clip(known, parts.examples - 1, np.maximum(n, parts.examples) - 1)


def _slope(share: Floats) -> Floats:
    """Return the normal density where the normal distribution has the share (...,) below: 0 at 0 and 1."""
    from scipy.special import ndtri

    return np.asarray(np.exp(-(ndtri(share) ** 2) / 2) / np.sqrt(2 * np.pi))


def _furthest(inside: Floats, end: Floats, encloses: Callable[[Floats], NDArray[np.bool_]]) -> Floats:
    """Return how far towards an end the accuracies (...,) are enclosed, by halving."""
    for _ in range(_HALVINGS):
        middle = (inside + end) / 2
        found = encloses(middle)
        inside, end = np.where(found, middle, inside), np.where(found, end, middle)
    return end
