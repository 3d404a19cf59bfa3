"""Trackers that a study can tell of its runs: TensorBoard, MLflow, Weights & Biases, trackio; none unless asked."""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from tuneoff.errors import StudyError
from tuneoff.trackers.base import Tracker
from tuneoff.trackers.mlflow import MLflow
from tuneoff.trackers.tensorboard import TensorBoard
from tuneoff.trackers.trackio import Trackio
from tuneoff.trackers.wandb import WandB
from tuneoff.words import listed, near

TRACKERS: dict[str, type[Tracker]] = {
    "tensorboard": TensorBoard,
    "mlflow": MLflow,
    "wandb": WandB,
    "trackio": Trackio,
}
FOLDER = "trackers"  # of a run directory


def check_trackers(names: Sequence[str]) -> None:
    """Raise StudyError for a tracker that is not known, or whose package is not installed; nothing is imported."""
    for name in names:
        if name not in TRACKERS:
            raise StudyError(
                f"track: there is no tracker '{name}'.{near(name, TRACKERS)} Trackers: {listed(TRACKERS)}."
            )
        if not is_installed(name):
            raise StudyError(f"track: the package {name} is not installed; get it by: pip install 'tuneoff[{name}]'")


def is_installed(name: str) -> bool:
    """Return whether a package is there to be imported; a folder of its name, as trackers leave them, is none."""
    spec = find_spec(name)
    return spec is not None and spec.origin is not None


def make_trackers(names: Sequence[str], out: Path) -> list[Tracker]:
    """Return the trackers of these names, each once, for the runs of a run directory."""
    return [TRACKERS[name](out / FOLDER) for name in dict.fromkeys(names)]
