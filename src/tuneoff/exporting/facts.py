"""What a model card says of a run, read from its run directory: data, protocol, metrics with intervals."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from safetensors import safe_open

from tuneoff.evidence.chains import trace
from tuneoff.evidence.intervals import accuracy_interval
from tuneoff.evidence.metric_intervals import metric_intervals
from tuneoff.evidence.metrics import measure
from tuneoff.evidence.predictions import last_evaluation
from tuneoff.evidence.results import RESULTS, asked_task, build_results, read_results
from tuneoff.evidence.runs import REPORTED_SPLIT
from tuneoff.store import PREDICTIONS, StageRecord, Store
from tuneoff.study import TaskSpec
from tuneoff.tasks import Origin, origin_of

# A trained number of an adapter, by peft's way of naming: the layer, peft's name for its part, the adapter's name.
ADAPTED = re.compile(r"backbone\.(?:.+\.)?(\w+)\.\w+\.default(?:\.|$)")


@dataclass(frozen=True)
class Facts:
    """What is known of a run.

    `metrics` are this run's on test, by name, None where unknown; `intervals` are those of its metrics that have
    one, as JSON values, `own_metric` is what the task's benchmark reports beside or in place of the accuracy,
    `examples` the test's rows. `technique` is the row of results.json of the technique over all its seeds, `stages`
    the records first to last, their `target_modules` those that have an adapter; `notices` are sentences on what the
    numbers cannot show, `origin` says where the task's rows come from.
    """

    study: Mapping[str, Any]
    task: Mapping[str, Any]
    model: Mapping[str, Any]
    stages: tuple[StageRecord, ...]
    metrics: Mapping[str, float | None]
    intervals: Mapping[str, Mapping[str, Any]]
    own_metric: str | None
    examples: int
    technique: Mapping[str, Any]
    notices: tuple[str, ...]
    origin: Origin

    @property
    def record(self) -> StageRecord:
        """The record of the run's own stage."""
        return self.stages[-1]


def facts_of(store: Store, record: StageRecord) -> Facts:
    """Return what is known of a finished run; raises StoreError for a run directory that cannot be read."""
    address, asked_study = record.address, store.study()
    results = _results(store, record)
    records = {one.address: one for one in store.records()}
    asked = next(one for one in results["study"]["techniques"] if one["name"] == address.chain)
    found = last_evaluation(store.checked(address, PREDICTIONS), REPORTED_SPLIT, record.reported_step)
    asked_of_task = asked_task(asked_study, address.task)
    metrics: Mapping[str, float | None] = {}
    intervals: dict[str, Any] = {}
    if found is not None:
        metrics = measure(found.labels, found.logits)
        if metrics["accuracy"] is not None and len(found.labels) > 1:
            given = found.logits.argmax(axis=1)[None]
            intervals["accuracy"] = accuracy_interval(given == found.labels).as_json()
            intervals |= {name: one for name, one in metric_intervals(metrics, found.labels, given).items() if one}
    return Facts(
        study={**asked_study, "task": asked_of_task},
        task=store.task(address.model, address.task),
        model=store.model(address.model),
        stages=tuple(_with_targets(store, records[stage]) for stage in trace(asked, address, records).stages),
        metrics=metrics,
        intervals=intervals,
        own_metric=next((task.get("metric") for task in results["tasks"] if task["name"] == address.task), None),
        examples=0 if found is None else len(found.labels),
        technique=next(one for one in results["techniques"] if _is_of(one, record)),
        notices=tuple(notice["text"] for notice in results["study"]["notices"] if _is_about(notice, address.task)),
        origin=origin_of(TaskSpec.model_validate(asked_of_task)),
    )


def _results(store: Store, record: StageRecord) -> dict[str, Any]:
    """Return the results that were written last if they know this run as it is now, else new ones."""
    if (store.root / RESULTS).is_file():
        written = read_results(store)
        if any(run["source"]["key"] == record.key and _is_of(run, record) for run in written.get("runs", ())):
            return written
    return build_results(store)


def _with_targets(store: Store, record: StageRecord) -> StageRecord:
    """Return a record in which adapters that were put where the technique has them have the names of these layers."""
    weights = store.weights(record.address)
    if weights is None or "target_modules" not in record.settings or record.settings["target_modules"] is not None:
        return record
    with safe_open(weights, framework="np") as file:
        layers = (ADAPTED.match(name) for name in file.keys())  # noqa: SIM118  # it is no mapping
        found = sorted({layer[1] for layer in layers if layer})
    settings = {**record.settings, "target_modules": ", ".join(found) or None}
    return replace(record, settings=settings)


def _is_about(notice: Mapping[str, Any], task: str) -> bool:
    """Return whether a notice holds for a task: it names those that it is about, unless it holds for all."""
    return task in notice.get("tasks", [task])


def _is_of(row: Mapping[str, Any], record: StageRecord) -> bool:
    address = record.address
    return (row["model"], row["task"], row["technique"]) == (address.model, address.task, address.chain)
