"""TensorBoard: event files in the run directory."""

import shutil
from pathlib import Path
from typing import Any

from tuneoff.trackers.base import OpenRun, TrackedRun

FINAL = "final/accuracy"


class TensorBoard:
    """A folder of event files for each run."""

    def __init__(self, folder: Path) -> None:
        self._root = folder / "tensorboard"

    def open(self, run: TrackedRun, last: int | None) -> tuple[OpenRun, int | None]:
        """Begin a run's folder anew, or go on in it: what a killed process wrote beyond `last` is then hidden."""
        from accelerate.tracking import TensorBoardTracker

        if last is None:
            shutil.rmtree(self._root / run.place, ignore_errors=True)
        purge = None if last is None else last + 1
        tracker = TensorBoardTracker(run.place, self._root, purge_step=purge)
        tracker.start()
        if last is None:
            _write_settings(tracker.tracker, run)
        opened: OpenRun = tracker
        return opened, last

    def look(self) -> str:
        """Return the command that shows the event files."""
        return f"tensorboard --logdir {self._root}"


def _write_settings(writer: Any, run: TrackedRun) -> None:
    """Write hyperparameters into the run's own events; accelerate's way makes two further runs of each."""
    from torch.utils.tensorboard.summary import hparams

    settings = dict(run.settings)
    for summary in hparams(settings, {FINAL: None}):  # type: ignore[no-untyped-call]
        writer.file_writer.add_summary(summary)
