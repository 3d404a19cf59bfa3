"""A run as a tracker is told of it, and what a tracker does."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

Scalar = bool | int | float | str


@dataclass(frozen=True)
class TrackedRun:
    """One technique with one model, task and seed.

    `id`, 32 hexadecimal digits, is the same as long as the run directory and all that determines the run's result are.
    `study` groups runs; `place` is the run's name, of its own in the study: "lora/seed-0" below model and task.
    `settings` are its hyperparameters.
    """

    id: str
    study: str
    technique: str
    place: str
    settings: Mapping[str, Scalar]


class OpenRun(Protocol):
    """A run being told, as accelerate's trackers are."""

    def log(self, values: dict[str, Any], step: int | None = None) -> None:
        """Tell numbers by name, at a step."""
        ...

    def finish(self) -> None:
        """Write what is not written yet; nothing more will be told."""
        ...


class Tracker(Protocol):
    """A tracker, and the folder of the run directory that it may write into. Making one imports and writes nothing."""

    def __init__(self, folder: Path) -> None: ...

    def open(self, run: TrackedRun, last: int | None) -> tuple[OpenRun, int | None]:
        """Return a run to be told, and the last step that the tracker has of it; None: it has nothing.

        `last` is the last step that was told it. Raises whatever the tracker's own library does.
        """
        ...

    def look(self) -> str:
        """Return what to do to look at the runs, a command as a rule."""
        ...
