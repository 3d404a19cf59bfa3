"""Temperature scaling: how well calibrated a model is once its logits are divided by the best single number.

Guo et al. (2017), On Calibration of Modern Neural Networks, ICML, section 4.2. No prediction changes, so accuracy does
not; loss and ECE do. A loss that falls a lot means that the model is about as good as before, but was too sure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tuneoff.evidence.metrics import Labels, Logits, ece, loss, probabilities

COLDEST, HOTTEST = 1e-3, 1e3
FOLDS = 5


@dataclass(frozen=True)
class Calibrated:
    """Loss (nats) and ECE after scaling, the temperatures that were used, and where they were fitted.

    There is one temperature from dev, or one a fold. Loss and ECE are None where `reason` says why.
    """

    fitted_on: Literal["dev", "other folds of test"]
    temperatures: tuple[float, ...]
    loss: float | None
    ece: float | None
    reason: str | None = None


def fit_temperature(labels: Labels, logits: Logits) -> float | None:
    """Return the temperature that minimises the loss of logits (n, classes) divided by it, between 0.001 and 1,000.

    The loss is convex in 1 / temperature, so the root of its derivative is the minimum. It is 1,000, nearly uniform
    probabilities, where the logits say nothing or the opposite of the labels. None where the loss falls all the way
    down to 0.001, as it does where every row is right: then there is no best temperature.
    """
    from scipy.optimize import brentq

    of_labels = logits[np.arange(len(labels)), labels]

    def slope(inverse: float) -> float:
        expected = (probabilities(logits * inverse) * logits).sum(axis=1)
        return float((expected - of_labels).mean())

    if not len(labels) or slope(1 / COLDEST) <= 0:
        return None
    if slope(1 / HOTTEST) >= 0:
        return HOTTEST
    return 1 / float(brentq(slope, 1 / HOTTEST, 1 / COLDEST, xtol=1e-9, rtol=1e-12))


def calibrate_on_dev(dev_labels: Labels, dev_logits: Logits, labels: Labels, logits: Logits) -> Calibrated:
    """Return loss and ECE of test rows with the temperature fitted on dev rows of the same model."""
    temperature = fit_temperature(dev_labels, dev_logits)
    if temperature is None:
        return Calibrated("dev", (), None, None, "no temperature is best on dev: every row there is right")
    scaled = logits / temperature
    return Calibrated("dev", (temperature,), loss(labels, scaled), ece(labels, scaled))


def calibrate_crosswise(labels: Labels, logits: Logits, groups: Sequence[object] | None = None) -> Calibrated:
    """Return loss and ECE of test rows, each scaled with the temperature fitted on the other folds of test.

    For studies without dev. Five folds, the same in every call; rows of a group stay in one fold. This reads labels of
    test, but no row's own label, for one number: it says how calibrated the model could be, and chooses nothing.
    """
    folds = _folds(len(labels), groups)
    temperatures = [fit_temperature(labels[folds != fold], logits[folds != fold]) for fold in np.unique(folds)]
    known = [temperature for temperature in temperatures if temperature is not None]
    if len(known) < 2 or len(known) < len(temperatures):
        reason = "no temperature is best on some folds of test: every row there is right"
        return Calibrated(
            "other folds of test", tuple(known), None, None, reason if len(temperatures) > 1 else "too few rows"
        )
    scaled = logits / np.array(known)[folds][:, None]
    return Calibrated("other folds of test", tuple(known), loss(labels, scaled), ece(labels, scaled))


def _folds(rows: int, groups: Sequence[object] | None) -> NDArray[np.int64]:
    """Return the fold of each row (rows,), numbered from 0 without gaps; groups are dealt out in a shuffled order."""
    numbers: dict[object, int] = {}
    member = np.array([numbers.setdefault(group, len(numbers)) for group in (groups or range(rows))], dtype=np.int64)
    dealt = np.random.default_rng(0).permutation(len(numbers)) % FOLDS
    return np.asarray(dealt[member] if rows else member)
