"""Was a technique still improving when its budget ended? The slope of its evaluation loss at the end."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

LAST_PART, FEWEST = 0.25, 3

Verdict = Literal["still falling", "flat or cannot be told", "rising"]


@dataclass(frozen=True)
class LossCurve:
    """The evaluation loss of one seed: optimizer steps of the last stage, ascending (k,), and losses in nats (k,)."""

    steps: NDArray[np.float64]
    losses: NDArray[np.float64]


@dataclass(frozen=True)
class Trend:
    """The slope of the evaluation loss, in nats per 100 steps, with its 95% interval and what it says.

    The interval covers what `covers` names: evaluations of one seed, or seeds. `evaluations` is how many of a seed's
    evaluations were used. Where the slope cannot be known, numbers are None and `reason` says why.
    """

    slope: float | None
    low: float | None
    high: float | None
    verdict: Verdict
    covers: Literal["evaluations", "seeds"] | None
    seeds: int
    evaluations: int
    reason: str | None = None


def trend(curves: Sequence[LossCurve], level: float = 0.95) -> Trend:
    """Return the trend of the last quarter of the evaluations (three at least), over one seed or several.

    A seed's slope is that of least squares. For several seeds the interval is the t interval of the mean of their
    slopes. For one it is the t interval of the regression, which takes the evaluations as independent of each other;
    losses of neighbouring steps are alike, so it is rather too narrow, and knows nothing of other seeds. The
    verdict is about the end alone: a loss that falls there may have been lower before.
    """
    from scipy.stats import linregress, t

    ends = [_end(curve) for curve in curves]
    fewest = min((len(end.steps) for end in ends), default=0)
    if fewest < FEWEST:
        return _unknown(len(ends), fewest, f"a slope with an interval needs {FEWEST} evaluations")
    if not all(np.isfinite(end.losses).all() for end in ends):
        return _unknown(len(ends), fewest, "a loss is not finite")
    fits = [linregress(end.steps, end.losses) for end in ends]
    slopes = 100 * np.array([fit.slope for fit in fits])
    if len(fits) == 1:
        error, freedom = 100 * float(fits[0].stderr), fewest - 2
    else:
        error, freedom = float(slopes.std(ddof=1)) / np.sqrt(len(fits)), len(fits) - 1
    slope, reach = float(slopes.mean()), float(t.ppf((1 + level) / 2, freedom)) * error
    low, high = slope - reach, slope + reach
    covers: Literal["evaluations", "seeds"] = "evaluations" if len(fits) == 1 else "seeds"
    return Trend(slope, low, high, _verdict(low, high), covers, len(fits), fewest)


def _end(curve: LossCurve) -> LossCurve:
    kept = max(FEWEST, int(np.ceil(LAST_PART * len(curve.steps))))
    return LossCurve(curve.steps[-kept:], curve.losses[-kept:])


def _verdict(low: float, high: float) -> Verdict:
    return "still falling" if high < 0 else "rising" if low > 0 else "flat or cannot be told"


def _unknown(seeds: int, evaluations: int, reason: str) -> Trend:
    return Trend(None, None, None, "flat or cannot be told", None, seeds, evaluations, reason)
