"""How far a stage has come: all that is needed to go on, and all that is reported of it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


class Divergence(Exception):
    """Training gave a number that is not finite. `facts`: reason, step, rate, gradient norm, last good evaluation."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.facts = dict(facts)
        super().__init__(self.facts["reason"])


class Interrupted(Exception):
    """The user asked to stop; what was done is saved."""


@dataclass
class Best:
    """The best evaluation of the watched split so far, and the trained weights that gave it, on the CPU."""

    step: int
    accuracy: float
    loss: float
    weights: "dict[str, Tensor]"


@dataclass
class TrainingState:
    """Position, history, predictions, seconds and tokens of a stage being trained.

    `step` counts optimizer steps done. `logits` has those of each evaluation by (split, step). `seconds` and `tokens`
    add up over interrupted attempts. `best` is kept where the reported weights are chosen; `test_opened` is the time
    (UTC) of test's first evaluation. `pending` are steps whose numbers are still on the device.
    """

    step: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    logits: dict[tuple[str, int], NDArray[np.float32]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=lambda: {"training": 0.0, "evaluation": 0.0})
    tokens: dict[str, int] = field(default_factory=lambda: {"trained": 0, "computed": 0, "evaluated": 0})
    best: Best | None = None
    test_opened: str | None = None
    pending: "list[tuple[dict[str, Any], Tensor, Tensor, Tensor]]" = field(default_factory=list)

    @property
    def elapsed(self) -> float:
        """Seconds of training and evaluation so far."""
        return self.seconds["training"] + self.seconds["evaluation"]


def finite(number: float) -> float | None:
    """Return a number, or None for one that JSON cannot hold."""
    return number if math.isfinite(number) else None


def divergence(state: TrainingState, step: int, rate: float | None, norm: float | None) -> Divergence:
    """Return the exception that tells where training left the finite numbers."""
    good = [row for row in state.history if row["event"] == "eval" and row["loss"] is not None]
    return Divergence(
        {
            "reason": f"the loss or its gradient was not finite at step {step}",
            "step": step,
            "learning_rate": rate,
            "grad_norm": norm,
            "last_evaluation": good[-1] if good else None,
        }
    )
