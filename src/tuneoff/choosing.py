"""How evaluations on dev are ranked, whatever is chosen by them: the weights of a stage, or settings."""

from typing import Literal

ChooseBy = Literal["accuracy", "loss"]


def merit(accuracy: float, loss: float, by: ChooseBy) -> tuple[float, float]:
    """Return what evaluations are compared by; the larger is the better, and the other of the two decides ties.

    Accuracy on a small dev has many ties, so the second number matters. Of two equal ones callers keep the first.

    >>> merit(0.9, 0.5, "accuracy") > merit(0.9, 0.6, "accuracy") > merit(0.8, 0.1, "accuracy")
    True
    """
    return (accuracy, -loss) if by == "accuracy" else (-loss, accuracy)
