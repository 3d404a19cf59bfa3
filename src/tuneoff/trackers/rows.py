"""From rows of history to the numbers that trackers are told, a step at a time, each step once."""

from collections.abc import Callable, Mapping
from typing import Any

TRAINED = ("loss", "accuracy", "learning_rate", "grad_norm")
EVALUATED = ("loss", "accuracy")


def numbers_of(row: Mapping[str, Any]) -> dict[str, float]:
    """Return a row's numbers by name, "train/loss" or "test/accuracy"; what is not finite (None) is left out.

    Rows of other events have none.
    """
    names: tuple[str, ...]
    if row["event"] == "train":
        split, names = "train", TRAINED
    elif row["event"] == "eval":
        split, names = str(row["split"]).replace(":", "/"), EVALUATED  # "also:x" is a name to no tracker
    else:
        return {}
    return {f"{split}/{name}": float(row[name]) for name in names if row.get(name) is not None}


class Steps:
    """Gathers the rows of a step, and hands them on together when the next step's first row comes.

    Steps up to `last` were told before, and are passed over: those that a resumed stage repeats, and the evaluation
    before a second stage's first step, which is the last one of the stage before.
    """

    def __init__(self, last: int | None, tell: Callable[[dict[str, float], int], None]) -> None:
        self.last = last
        self._tell = tell
        self._step: int | None = None
        self._numbers: dict[str, float] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Take a row in; rows come in the order of their cumulative `step`."""
        numbers, step = numbers_of(row), int(row.get("step", -1))
        if not numbers or (self.last is not None and step <= self.last):
            return
        if self._step is not None and step > self._step:
            self.flush()
        self._step = step
        self._numbers |= numbers

    def flush(self) -> None:
        """Hand on what was gathered of the step that is not over yet."""
        if self._step is None:
            return
        step, numbers = self._step, self._numbers
        self._step, self._numbers = None, {}
        self._tell(numbers, step)
        self.last = step
