"""What a model card says of a run, read from its run directory: data, protocol, metrics with intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tuneoff.evidence.chains import trace
from tuneoff.evidence.intervals import accuracy_interval
from tuneoff.evidence.metric_intervals import metric_intervals
from tuneoff.evidence.metrics import measure
from tuneoff.evidence.predictions import last_evaluation
from tuneoff.evidence.results import RESULTS, asked_task, build_results, read_results
from tuneoff.evidence.runs import REPORTED_SPLIT
from tuneoff.store import PREDICTIONS, StageRecord, Store


@dataclass(frozen=True)
class Facts:
    """What is known of a run.

    `metrics` are this run's on test, by name, None where unknown; `intervals` are those of its metrics that have
    one, as JSON values, `own_metric` is what the task's benchmark reports beside or in place of the accuracy,
    `examples` the test's rows. `technique` is the row of results.json of the technique over all its seeds, `stages`
    the records first to last, `notices` sentences on what the numbers cannot show.
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
    metrics: Mapping[str, float | None] = {}
    intervals: dict[str, Any] = {}
    if found is not None:
        metrics = measure(found.labels, found.logits)
        if metrics["accuracy"] is not None and len(found.labels) > 1:
            given = found.logits.argmax(axis=1)[None]
            intervals["accuracy"] = accuracy_interval(given == found.labels).as_json()
            intervals |= {name: one for name, one in metric_intervals(metrics, found.labels, given).items() if one}
    return Facts(
        study={**asked_study, "task": asked_task(asked_study, address.task)},
        task=store.task(address.model, address.task),
        model=store.model(address.model),
        stages=tuple(records[stage] for stage in trace(asked, address, records).stages),
        metrics=metrics,
        intervals=intervals,
        own_metric=next((task.get("metric") for task in results["tasks"] if task["name"] == address.task), None),
        examples=0 if found is None else len(found.labels),
        technique=next(one for one in results["techniques"] if _is_of(one, record)),
        notices=tuple(notice["text"] for notice in results["study"]["notices"] if _is_about(notice, address.task)),
    )


def _results(store: Store, record: StageRecord) -> dict[str, Any]:
    """Return the results that were written last if they know this run as it is now, else new ones."""
    if (store.root / RESULTS).is_file():
        written = read_results(store)
        if any(run["source"]["key"] == record.key and _is_of(run, record) for run in written.get("runs", ())):
            return written
    return build_results(store)


def _is_about(notice: Mapping[str, Any], task: str) -> bool:
    """Return whether a notice holds for a task: it names those that it is about, unless it holds for all."""
    return task in notice.get("tasks", [task])


def _is_of(row: Mapping[str, Any], record: StageRecord) -> bool:
    address = record.address
    return (row["model"], row["task"], row["technique"]) == (address.model, address.task, address.chain)
