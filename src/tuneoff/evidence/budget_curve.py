"""What a technique is expected to reach against the number of trials that its settings are chosen from."""

from collections.abc import Sequence
from math import comb

import numpy as np
from numpy.typing import NDArray


def expected_of_chosen(dev: NDArray[np.float64], reported: NDArray[np.float64], trials: int) -> float:
    """Return the expected reported value of the trial that is best on dev among `trials` random ones of those done.

    dev (n,) or (n, keys), reported (n,); on dev more is better, and later keys decide where earlier ones are equal
    (accuracy, then minus the loss). Of trials that are equal on dev in all keys each is as likely to be chosen.
    `reported` is what the chosen one is judged by: its test accuracy, or dev itself where trials do not open test;
    the latter is too good, since it is the number that was chosen by.

    The mean over all subsets of this size, in closed form: the trial of rank i is best in C(i - 1, k - 1) of the
    C(n, k) subsets. For dev itself that is the unbiased estimator of the expected maximum of Tang et al. (2020),
    Showing Your Work Doesn't Always Work, ACL, section 3; the estimator of Dodge et al. (2019), Show Your Work, EMNLP,
    draws with replacement and is biased downwards. It is unbiased for trials drawn at random alike; with a sampler that
    learns from earlier trials it describes these trials only. Raises ValueError for a number of trials below 1 or above
    n, for shapes that do not fit, and for values that are not finite.
    """
    return expected_curve(dev, reported, [trials])[0]


def expected_curve(
    dev: NDArray[np.float64], reported: NDArray[np.float64], trials: Sequence[int] | None = None
) -> list[float]:
    """Return `expected_of_chosen` for each number of trials; for 1 to n if left out."""
    n = len(dev)
    if reported.shape != (n,) or not n:
        raise ValueError(f"{n} trials on dev, reported values of shape {reported.shape}")
    if not (np.isfinite(dev).all() and np.isfinite(reported).all()):
        raise ValueError("values of trials must be finite; leave failed trials out, or give them their value")
    numbers = range(1, n + 1) if trials is None else trials
    if any(not 1 <= k <= n for k in numbers):
        raise ValueError(f"numbers of trials must lie between 1 and {n}")
    # Trials that are equal on dev are one level; it wins in the subsets of those up to it that are not all below it.
    _, level = np.unique(dev, axis=0, return_inverse=True)
    level = level.ravel()
    sizes = np.bincount(level)
    up_to = [0, *np.cumsum(sizes).tolist()]
    values = np.bincount(level, weights=reported) / sizes
    return [
        sum(
            # Whole numbers divided once: C(n, k) of hundreds of trials has no float.
            (comb(above, k) - comb(below, k)) / comb(n, k) * float(value)
            for below, above, value in zip(up_to, up_to[1:], values, strict=False)
        )
        for k in numbers
    ]
