"""A stage's run as trackers are told of it: its name, its hyperparameters, its final numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from tuneoff.evidence.metrics import measure
from tuneoff.evidence.predictions import last_evaluation
from tuneoff.files import digest
from tuneoff.plan import Plan, PlannedStage
from tuneoff.store import PREDICTIONS, StageAddress, StageRecord, Store
from tuneoff.trackers.base import Scalar, TrackedRun

ID_LENGTH = 32


def run_address(stage: PlannedStage) -> StageAddress | None:
    """Return the address of the run that a stage is told of: its own technique's, else the first that needs it.

    None for what is run to choose settings.
    """
    if stage.address.tuning is not None or not stage.needed_by:
        return None
    if stage.address.chain in stage.needed_by:
        return stage.address
    return replace(stage.address, chain=stage.needed_by[0])


def stages_up_to(stages: Mapping[StageAddress, PlannedStage], stage: PlannedStage) -> list[PlannedStage]:
    """Return a stage with those that it starts from, first to last."""
    found = [stage]
    while found[0].parent is not None:
        found.insert(0, stages[found[0].parent])
    return found


def describe_run(plan: Plan, chain: Sequence[PlannedStage], store: Store) -> TrackedRun | None:
    """Return a run, given its stages; None where its settings are not known yet.

    The settings of the last stage stand under their own names, those of stages before it under their techniques'.
    """
    last = chain[-1]
    if last.key is None:
        return None
    address = last.address
    settings: dict[str, Any] = {
        "model": address.model,
        "task": address.task,
        "technique": address.chain,
        "seed": address.seed,
        "fold": address.fold,
        "precision": (last.key_parts or {}).get("precision"),
    }
    for stage in chain:
        before = "" if stage is last else f"{stage.spec.chain}/"
        own = {**stage.spec.settings.keyed_values(), **asdict(stage.optimization)}
        own |= stage.budget.as_json() if stage.budget else {}
        settings |= {f"{before}{name}": value for name, value in own.items()}
    known = {name: _scalar(value) for name, value in settings.items() if value is not None}
    place = address.folder.partition("/")[2]
    where = str(store.root.resolve())
    return TrackedRun(digest([where, place, last.key])[:ID_LENGTH], plan.study.name, address.chain, place, known)


def final_numbers(store: Store, record: StageRecord, chain: Sequence[StageAddress]) -> dict[str, float]:
    """Return a finished run's metrics on test as they are reported, its trained parameters, seconds and peak memory.

    Seconds are those that its stages (`chain`) take when nothing is shared with other runs.
    """
    found: dict[str, float | None] = {}
    evaluation = last_evaluation(store.checked(record.address, PREDICTIONS), "test", record.reported_step)
    if evaluation is not None:
        found |= measure(evaluation.labels, evaluation.logits)
    records = [store.record(address) for address in chain]
    found["seconds"] = sum(sum(one.seconds_alone.values()) for one in records if one is not None)
    found["trained_parameters"] = record.parameters.get("trained")
    found["peak_memory_bytes"] = record.peak_memory.get("bytes")
    return {f"final/{name}": float(value) for name, value in found.items() if value is not None}


def _scalar(value: Any) -> Scalar:
    return value if isinstance(value, Scalar) else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
