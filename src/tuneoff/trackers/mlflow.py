"""MLflow: a SQLite file in the run directory, or the store that MLFLOW_TRACKING_URI names."""

import logging
import os
from pathlib import Path
from typing import Any

from tuneoff.trackers.base import OpenRun, TrackedRun

URI = "MLFLOW_TRACKING_URI"
TAG = "tuneoff.run"


class MLflow:
    """An experiment for the study, with a run for each of its runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._uri = os.environ.get(URI) or f"sqlite:///{(folder / 'mlflow.db').resolve().as_posix()}"

    def open(self, run: TrackedRun, last: int | None) -> tuple[OpenRun, int | None]:
        """Begin a run, or go on with the one that has this run's id as a tag."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read as mlflow is imported
        import mlflow
        from accelerate.tracking import MLflowTracker

        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.WARNING)
        self._folder.mkdir(parents=True, exist_ok=True)
        before = os.environ.get(URI)
        mlflow.set_tracking_uri(self._uri)
        if before is None:  # it sets the variable, which the next study of this process would take for the user's
            os.environ.pop(URI, None)
        known = _find(mlflow.MlflowClient(), run)
        artifacts = (self._folder / "mlflow-artifacts").resolve().as_uri()
        tracker = MLflowTracker(
            run.study,
            artifacts if self._uri.startswith("sqlite:") else None,
            run_id=known,
            run_name=run.place,
            tags={TAG: run.id, "technique": run.technique},
        )
        tracker.start()
        if known is None:
            tracker.store_init_configuration(dict(run.settings))
        opened: OpenRun = tracker
        return opened, None if known is None else last

    def look(self) -> str:
        """Return the command that shows the store."""
        return f"mlflow ui --backend-store-uri {self._uri}"


def _find(client: Any, run: TrackedRun) -> str | None:
    """Return the id that MLflow gave a run before, None if there is none."""
    experiment = client.get_experiment_by_name(run.study)
    if experiment is None:
        return None
    found = client.search_runs([experiment.experiment_id], f"tags.`{TAG}` = '{run.id}'", max_results=1)
    return str(found[0].info.run_id) if found else None
