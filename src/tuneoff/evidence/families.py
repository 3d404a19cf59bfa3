"""Several tests at once: p-values corrected for how many there are."""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Return the adjusted p-values of Holm (1979, Scandinavian Journal of Statistics 6, 65-70), in the same order.

    With those that are at most 5% taken for real, the chance of one false finding or more among all is at most 5%,
    however the tests depend on each other.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = p.argsort(kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p)))))
    return [float(value) for value in adjusted]
