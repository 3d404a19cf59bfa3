"""Logistic regression without an intercept on vectors computed once, its penalty chosen on train."""

import warnings
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Labels = NDArray[np.int64]

#: Values of C to choose from, for vectors whose mean squared length is 1.
CHOICES = (0.01, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4)
FOLDS = 5
WITHOUT_FOLDS = 1.0  # where train is too small to be folded
EXACT, ROUGH = (1e-6, 2_000), (1e-3, 200)  # largest gradient that is left, and iterations at most


def fit_head(
    head: torch.nn.Module | None,
    vectors: torch.Tensor,
    labels: torch.Tensor,
    c: float | None,
    groups: Sequence[str] | None,
) -> None:
    """Give a linear head the weights that `fit_logistic` finds for pooled vectors [N, H] and class numbers [N]."""
    assert isinstance(head, torch.nn.Linear)
    rows, numbers = vectors.double().cpu().numpy(), labels.cpu().numpy()
    found, _ = fit_logistic(rows, numbers, head.out_features, c, groups)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(found))


def fit_logistic(
    vectors: Matrix, labels: Labels, classes: int, c: float | None = None, groups: Sequence[str] | None = None
) -> tuple[Matrix, float]:
    """Return the weights W [classes, H] that minimise C sum(cross entropy of V W') + |W|^2 / 2, and C.

    V are the vectors [N, H], scaled to a mean squared length of 1, and W is scaled back, so that C means the same for
    every model. Without `c` it is chosen by `choose_penalty`. There is no intercept: heads have none, and the vectors
    of a language model have a common direction that serves as one. Classes that train lacks have weights of zero.
    """
    scale = float(np.sqrt((vectors**2).sum(axis=1).mean())) or 1.0
    scaled = vectors / scale
    chosen = choose_penalty(scaled, labels, classes, groups) if c is None else c
    return _weights(scaled, labels, classes, chosen, EXACT) / scale, chosen


def choose_penalty(vectors: Matrix, labels: Labels, classes: int, groups: Sequence[str] | None) -> float:
    """Return the C of CHOICES with the least cross entropy on rows held out, in FOLDS stratified folds of train.

    Rows of one group stay on one side. Of equally good ones the smallest; 1 where train is too small to be folded.
    Nothing is drawn: the same rows give the same folds.
    """
    folds = list(_folds(labels, groups))
    if not folds:
        return WITHOUT_FOLDS

    def loss(c: float) -> float:
        fitted = ((_weights(vectors[seen], labels[seen], classes, c, ROUGH), held) for seen, held in folds)
        return sum(_cross_entropy(vectors[held] @ weights.T, labels[held]) for weights, held in fitted)

    return min(CHOICES, key=loss)


def _folds(labels: Labels, groups: Sequence[str] | None) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield rows to fit on and rows held out; folds whose first part has one class only are left out."""
    from sklearn.model_selection import StratifiedGroupKFold

    # Without groups each row is its own.
    of_row = np.unique(np.asarray(groups), return_inverse=True)[1] if groups else np.arange(len(labels))
    count = min([FOLDS, len(np.unique(of_row)), *np.bincount(labels)[np.unique(labels)].tolist()])
    if count < 2:
        return
    for seen, held in StratifiedGroupKFold(count).split(np.empty((len(labels), 0)), labels, of_row):
        if len(held) and len(np.unique(labels[seen])) > 1:
            yield seen, held


def _weights(vectors: Matrix, labels: Labels, classes: int, c: float, until: tuple[float, int]) -> Matrix:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    present = np.unique(labels)
    # Of two classes scikit-learn fits the difference w of their weights, with |w|^2 / 2 = |W|^2 as the penalty.
    model = LogisticRegression(
        C=2 * c if len(present) == 2 else c, fit_intercept=False, tol=until[0], max_iter=until[1]
    )
    with warnings.catch_warnings():
        # With next to no penalty the weights of separable classes grow on and on; what they predict is settled before.
        warnings.simplefilter("ignore", ConvergenceWarning)
        found: Matrix = model.fit(vectors, labels).coef_
    weights = np.zeros((classes, vectors.shape[1]))
    weights[present] = np.concatenate([-found, found]) / 2 if len(present) == 2 else found
    return weights


def _cross_entropy(logits: Matrix, labels: Labels) -> float:
    """Return the sum over rows of the cross entropy."""
    from scipy.special import logsumexp

    return float((logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]).sum())
