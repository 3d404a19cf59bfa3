"""Weights & Biases: offline files in the run directory, unless WANDB_MODE says otherwise."""

import os
import shutil
from pathlib import Path

from tuneoff.trackers.base import OpenRun, TrackedRun


class WandB:
    """A project for the study, with a run for each of its runs, grouped by technique."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._mode = os.environ.get("WANDB_MODE") or "offline"

    def open(self, run: TrackedRun, last: int | None) -> tuple[OpenRun, int | None]:
        """Begin a run, or go on with it online; offline it is told from its beginning, into a new file.

        What was on its way into the old one as a command was killed is lost, and its format is wandb's own.
        """
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read as wandb is imported
        import wandb
        from accelerate.tracking import WandBTracker

        self._folder.mkdir(parents=True, exist_ok=True)
        folder = Path(os.environ.get("WANDB_DIR") or self._folder)
        offline = self._mode == "offline"
        if offline:
            for old in (folder / "wandb").glob(f"offline-run-*-{run.id}"):
                shutil.rmtree(old, ignore_errors=True)
        quiet = wandb.Settings(
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
            host="",
        )
        tracker = WandBTracker(
            run.study,
            id=run.id,
            name=run.place,
            group=run.technique,
            config=dict(run.settings),
            dir=str(folder),
            mode=self._mode,
            resume=None if offline else "allow",
            settings=quiet,
        )
        tracker.start()
        opened: OpenRun = tracker
        known = 0 if offline else int(tracker.tracker.starting_step)  # the server's word on what it has
        return opened, None if last is None or not known else min(last, known - 1)

    def look(self) -> str:
        """Return the command that sends offline runs to the user's account, to be looked at there."""
        if self._mode != "offline":
            return "look at the project on the server that wandb is logged in to"
        return f"wandb sync {self._folder / 'wandb'}/offline-run-* (sends them to your account)"
