"""What is written down of a stage that ended: its record, and the predictions of its evaluations."""

import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.distributed.tensor import DTensor

from tuneoff.environment import package_versions
from tuneoff.models.neighbours import Neighbours
from tuneoff.plan import PlannedStage, StageBudget
from tuneoff.store import PHASES, StageRecord
from tuneoff.training.build import count_parameters
from tuneoff.training.shortage import eased
from tuneoff.training.state import TrainingState
from tuneoff.training.team import Team
from tuneoff.training.workplace import Workplace

if TYPE_CHECKING:
    import pandas as pd

    from tuneoff.models.classifier import TextClassifier
    from tuneoff.training.ready import Ready


def load_libraries() -> None:
    """Import what writing a stage down needs, before the memory that the stage takes is measured.

    These are 80 MB: else the first stage of a process would seem to take so much less than those after it.
    """
    import pandas  # noqa: F401
    import pyarrow.parquet  # noqa: F401


def record_of(
    stage: PlannedStage, place: Workplace, ready: "Ready", state: TrainingState, started: datetime, team: Team
) -> StageRecord:
    """Return the record of a stage that ended well; where it did not, `run_stage` says so in it."""
    assert stage.key is not None and stage.key_parts is not None and stage.budget is not None
    device = place.accelerator.device
    no_time = dict.fromkeys(PHASES, 0.0)
    return StageRecord(
        address=stage.address,
        status="done",
        parent=stage.parent.chain if stage.parent else None,
        technique=stage.spec.technique,
        key=stage.key,
        key_parts=stage.key_parts,
        settings={**stage.spec.settings.keyed_values(), **asdict(stage.optimization)},
        budget=stage.budget.as_json(),
        # What is kept of train, as neighbours are, is known when it is fitted.
        parameters=count_parameters(ready.classifier) if ready.technique.gradient_free else ready.parameters,
        seconds={**no_time, **ready.seconds, **state.seconds},
        seconds_alone={**no_time, **ready.seconds_alone, **state.seconds},
        tokens={**state.tokens, "computed": state.tokens["computed"] + ready.feature_tokens},
        peak_memory={},
        machine={
            "device": device.type,
            "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else None,
            "precision": place.precision,
            "processes": team.size,
            "sharded": team.sharded,
            **asdict(ready.execution),
            **eased(state.history),
            "packages": package_versions(),
        },
        started=started.isoformat(timespec="seconds"),
        ended=datetime.now(UTC).isoformat(timespec="seconds"),
        chosen=_chosen(stage.budget, state),
        test_opened=state.test_opened,
        head_norm=head_norm(ready.classifier),
    )


def head_norm(classifier: "TextClassifier") -> float | None:
    """Return the Frobenius norm of all parameters of a classifier's head together; None where it has no head.

    A large one after linear probing slows the change of features in the stage that follows (Tomihari & Sato 2024, arXiv
    2405.16747). Rows of train that are kept in the head's place have no such norm, nor has one that is not finite, nor
    one that is still split among processes, as where training failed.
    """
    if isinstance(classifier.head, Neighbours):
        return None
    if any(isinstance(parameter, DTensor) for parameter in classifier.head_parameters().values()):
        return None
    norms = [parameter.detach().double().norm() for parameter in classifier.head_parameters().values()]
    norm = float(torch.stack(norms).norm()) if norms else math.nan
    return norm if math.isfinite(norm) else None


def _chosen(budget: StageBudget, state: TrainingState) -> dict[str, Any] | None:
    """Return which evaluation gave the weights that are reported, and how it was found; None if they are the last."""
    if state.best is None:
        return None
    best = state.best
    return {
        "split": budget.eval_on,
        "by": budget.chosen_by,
        "step": best.step,
        "accuracy": best.accuracy,
        "loss": best.loss,
    }


def prediction_frame(place: Workplace, state: TrainingState) -> "pd.DataFrame | None":
    """Return the logits of every evaluation as one table, a row an example."""
    import pandas as pd

    frames = []
    for (name, step), logits in state.logits.items():
        split = place.data.splits[name]
        columns = {
            "split": name,
            "row": split.rows,
            "source_id": split.source_ids,
            "step": np.int64(step),
            "label": split.labels,
            "logits": list(logits),
        }
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True) if frames else None
