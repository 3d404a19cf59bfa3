"""trackio: a SQLite file in trackio's own folder (TRACKIO_DIR, else the user's cache), unless a Space is named."""

import importlib
import os
from pathlib import Path
from typing import Any

from tuneoff.trackers.base import OpenRun, TrackedRun

SERVERS = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL")


class Trackio:
    """A project for the study, with a run for each of its runs, grouped by technique.

    trackio reads TRACKIO_DIR when it is imported, so its files cannot follow the run directory.
    """

    def __init__(self, folder: Path) -> None:
        self._seen: set[str] = set()

    def open(self, run: TrackedRun, last: int | None) -> tuple[OpenRun, int | None]:
        """Begin a run, or go on with the latest one of this name; what it has of it, trackio's own file says.

        It writes twice a second, and a kill costs what came since.
        """
        os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
        from accelerate.tracking import TrackioTracker

        self._seen.add(run.study)
        tracker = TrackioTracker(
            run.study,
            name=run.place,
            group=run.technique,
            config=dict(run.settings),
            resume="never" if last is None else "allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        tracker.start()
        if last is not None and not any(os.environ.get(name) for name in SERVERS):
            storage: Any = importlib.import_module("trackio.sqlite_storage").SQLiteStorage
            last = storage.get_last_step(run.study, run_id=tracker.tracker.id)
        return _Opened(tracker), last

    def look(self) -> str:
        """Return the command that shows the projects."""
        return " and ".join(f"trackio show --project {name}" for name in sorted(self._seen)) or "trackio show"


class _Opened:
    """A run that trackio itself finishes: it would finish the one it knows of once more as the process ends, aloud."""

    def __init__(self, tracker: OpenRun) -> None:
        self._tracker = tracker

    def log(self, values: dict[str, Any], step: int | None = None) -> None:
        """Tell numbers by name, at a step."""
        self._tracker.log(values, step=step)

    def finish(self) -> None:
        """Wait until all is written."""
        library: Any = importlib.import_module("trackio")
        library.finish()
