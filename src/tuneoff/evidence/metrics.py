"""The metrics: each a function of class numbers and logits, found by its name."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Labels = NDArray[np.int64]
Logits = NDArray[np.float64]

ECE_BINS = 15


def accuracy(labels: Labels, logits: Logits) -> float:
    """Return the share of rows whose largest logit is the label's; labels (n,), logits (n, classes)."""
    return float((logits.argmax(axis=1) == labels).mean())


def loss(labels: Labels, logits: Logits) -> float:
    """Return the mean cross entropy in nats, in float64; labels (n,), logits (n, classes)."""
    top = logits.max(axis=1, keepdims=True)
    log_sum = top[:, 0] + np.log(np.exp(logits - top).sum(axis=1))
    return float((log_sum - logits[np.arange(len(labels)), labels]).mean())


def count_answers(labels: Labels, given: Labels, classes: int) -> NDArray[np.int64]:
    """Return how many rows of each label (first axis) got each answer, (classes, classes); labels and answers (n,)."""
    return np.bincount(labels * classes + given, minlength=classes**2).reshape(classes, classes)


def _confusion(labels: Labels, logits: Logits) -> NDArray[np.int64]:
    return count_answers(labels, logits.argmax(axis=1), logits.shape[1])


def macro_f1(labels: Labels, logits: Logits) -> float:
    """Return the mean F1 over the classes that occur in labels or predictions; an undefined F1 counts as 0."""
    counts = _confusion(labels, logits)
    hits, either = np.diag(counts), counts.sum(axis=0) + counts.sum(axis=1)
    return float((2 * hits[either > 0] / either[either > 0]).mean())


def f1(labels: Labels, logits: Logits) -> float | None:
    """Return the F1 of the second of two classes, None where there are more; an undefined one counts as 0.

    It is what GLUE reports for MRPC and QQP, whose second class says that the two texts are alike.
    """
    if logits.shape[1] != 2:
        return None
    guessed = logits.argmax(axis=1)
    hits = 2 * int((guessed * labels).sum())
    return hits / int(guessed.sum() + labels.sum()) if hits else 0.0


def mcc(labels: Labels, logits: Logits) -> float:
    """Return Matthews' correlation of labels and predictions, from -1 to 1, for any number of classes.

    Gorodkin (2004), Computational Biology and Chemistry 28, 367-374. 0 is what guessing gives; a constant predictor,
    for which it is undefined, counts as 0.
    """
    counts = _confusion(labels, logits).astype(float)
    truly, guessed, rows = counts.sum(axis=1), counts.sum(axis=0), counts.sum()
    spread = (rows**2 - truly @ truly) * (rows**2 - guessed @ guessed)
    return float((np.trace(counts) * rows - truly @ guessed) / np.sqrt(spread)) if spread > 0 else 0.0


def probabilities(logits: Logits) -> NDArray[np.float64]:
    """Return the softmax of each row; logits (n, classes)."""
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def ece(labels: Labels, logits: Logits) -> float:
    """Return the expected calibration error: the mean gap between how sure a model is and how often it is right.

    Guo et al. (2017), On Calibration of Modern Neural Networks, ICML, eq. 3: the largest probability of a row is its
    confidence; rows are put into 15 bins of equal width, and the gaps of the bins are weighted by their rows. These
    bins are kept for comparison with published values. Even a calibrated model has an ECE above 0 on few examples.
    """
    shares = probabilities(logits)
    confidence = shares.max(axis=1)
    bins = np.clip(np.ceil(confidence * ECE_BINS).astype(int) - 1, 0, ECE_BINS - 1)
    gaps = np.bincount(bins, weights=(logits.argmax(axis=1) == labels) - confidence, minlength=ECE_BINS)
    return float(np.abs(gaps).sum() / len(labels))


@dataclass(frozen=True)
class Metric:
    """How a metric is computed from labels (n,) and logits (n, classes), None where it is not defined for these.

    `higher_is_better` says which way is better.
    """

    compute: Callable[[Labels, Logits], float | None]
    higher_is_better: bool


METRICS: Mapping[str, Metric] = {
    "accuracy": Metric(accuracy, higher_is_better=True),
    "loss": Metric(loss, higher_is_better=False),
    "macro_f1": Metric(macro_f1, higher_is_better=True),
    "f1": Metric(f1, higher_is_better=True),
    "mcc": Metric(mcc, higher_is_better=True),
    "ece": Metric(ece, higher_is_better=False),
}


def measure(labels: Labels, logits: Logits) -> dict[str, float | None]:
    """Return every metric by name; None for each where there is no row or a logit is not finite, or it is undefined."""
    if not len(labels) or not np.isfinite(logits).all():
        return dict.fromkeys(METRICS)
    return {name: metric.compute(labels, logits) for name, metric in METRICS.items()}


def measure_frame(predictions: "pd.DataFrame", split: str = "test") -> dict[str, float | None]:
    """Return every metric on a split's last step, from a frame with the columns split, step, label and logits."""
    rows = predictions[predictions["split"] == split]
    rows = rows[rows["step"] == rows["step"].max()]
    if rows.empty:
        return dict.fromkeys(METRICS)
    return measure(rows["label"].to_numpy(np.int64), np.array(rows["logits"].to_list(), dtype=np.float64))
