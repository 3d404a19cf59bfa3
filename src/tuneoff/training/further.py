"""Evaluating the weights that a stage ended with, where only the study's further test sets have changed since."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from safetensors.torch import load_file

from tuneoff.evidence.representation import hand_on
from tuneoff.planned import PlannedStage, training_parts
from tuneoff.store import WEIGHTS, StageRecord, Store
from tuneoff.tasks.data_set import ALSO
from tuneoff.training.budget import execution_now
from tuneoff.training.build import Ancestor, put
from tuneoff.training.evaluation import evaluate
from tuneoff.training.job import Job
from tuneoff.training.limit import limited
from tuneoff.training.outcome import prediction_frame
from tuneoff.training.ready import Ready, prepared
from tuneoff.training.shortage import SHORTAGES
from tuneoff.training.stage import Watch, job_of
from tuneoff.training.state import Divergence, TrainingState
from tuneoff.training.workplace import Workplace


def evaluate_further(
    stage: PlannedStage, place: Workplace, ancestors: Sequence[Ancestor], store: Store, watch: Watch
) -> StageRecord | None:
    """Bring a trained stage up to the study's further test sets without training; returns the record written.

    None where it has to be trained: it was not, with these settings, or its weights were not kept, or their evaluation
    fails, which training tells in full.
    """
    record, weights = store.record(stage.address), store.weights(stage.address)
    if record is None or weights is None or not _is_trained(stage, record):
        return None
    before, now = _further(record.key_parts), _further(stage.key_parts or {})
    kept = [ALSO + name for name in before if before[name] == now.get(name)]
    state = TrainingState(
        step=int(record.budget["steps"]),
        history=[row for row in store.history(stage.address) if _stays(row.get("split"), kept)],
        seconds={name: record.seconds[name] for name in ("training", "evaluation")},
        tokens=dict(record.tokens),
    )
    found = load_file(store.checked(stage.address, WEIGHTS))
    values = {name: value.clone() for name, value in found.items()}  # finish() removes the file that they lie in
    del found
    spent = dict(record.seconds)
    if missing := [ALSO + name for name in now if ALSO + name not in kept]:
        try:
            with limited(place.limit, place.accelerator.device):
                ready, job = _rebuilt(stage, place, ancestors, watch, values)
                for split in missing:
                    evaluate(job, state, split, record.reported_step)
        except (Divergence, *SHORTAGES):
            return None
        spent |= {name: spent[name] + seconds for name, seconds in ready.seconds.items()}
        spent["evaluation"] = state.seconds["evaluation"]
        state.tokens["computed"] += ready.feature_tokens
    stored = store.predictions(stage.address)
    frames = [stored[[_stays(split, kept) for split in stored["split"]]], prediction_frame(place, state)]
    written = replace(
        record,
        key=stage.key or record.key,
        key_parts=stage.key_parts or record.key_parts,
        seconds=spent,
        seconds_alone={**record.seconds_alone, "evaluation": _longer(record, state)},
        tokens=state.tokens,
    )
    import pandas as pd

    predictions = pd.concat([frame for frame in frames if frame is not None], ignore_index=True)
    hand_on(store, stage.address, record.key, stage.address, written.key)
    return store.finish(written, state.history, predictions, values)


def _is_trained(stage: PlannedStage, record: StageRecord) -> bool:
    assert stage.key_parts is not None
    return record.status == "done" and training_parts(record.key_parts) == training_parts(stage.key_parts)


def _further(parts: Mapping[str, Any]) -> Mapping[str, str]:
    found: Mapping[str, str] = parts.get("also_test", {})
    return found


def _stays(split: str | None, kept: Sequence[str]) -> bool:
    """Whether an evaluation, or a step of training, stays as it is: it is of no further set, or of one still asked."""
    return split is None or not split.startswith(ALSO) or split in kept


def _rebuilt(
    stage: PlannedStage,
    place: Workplace,
    ancestors: Sequence[Ancestor],
    watch: Watch,
    weights: Mapping[str, torch.Tensor],
) -> tuple[Ready, Job]:
    """Return the stage's classifier with the weights given, which are those of the whole embedding table.

    Texts are computed as they are: activations kept on disk would have to be made of every split.
    """
    torch.set_num_threads(place.execution.threads)
    execution = replace(execution_now(stage, place), compact_vocabulary=False, reuse_activations=False)
    ready = prepared(stage, place, ancestors, execution)
    job = job_of(stage, place, ready, watch)
    for name, parameter in job.trained.items():
        put(parameter, weights[name])
    return ready, job


def _longer(record: StageRecord, state: TrainingState) -> float:
    return record.seconds_alone["evaluation"] + state.seconds["evaluation"] - record.seconds["evaluation"]
