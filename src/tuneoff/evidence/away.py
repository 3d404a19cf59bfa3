"""What runs and techniques reach on further test sets, away from the training data (`task.also_test`)."""

from collections.abc import Mapping, Sequence
from typing import Any

from tuneoff.evidence.answers import Answers, Key, answers, by_technique
from tuneoff.evidence.intervals import accuracy_interval
from tuneoff.evidence.metrics import METRICS, measure
from tuneoff.evidence.predictions import last_evaluation
from tuneoff.evidence.summary import intervals_of, spread
from tuneoff.store import PREDICTIONS, StageAddress, Store
from tuneoff.tasks.data_set import ALSO

Row = Mapping[str, Any]


def also_metrics(store: Store, run: Row, names: Sequence[str]) -> dict[str, dict[str, float | None]]:
    """Return a run's metrics on each further test set; None for all of a set that it was not evaluated on.

    `run` is one of results.json. Raises StoreError for a file that cannot be read.
    """
    found = {}
    for name in names:
        evaluation = None
        if run["status"] == "done" and run["step"] is not None:
            address = StageAddress(run["model"], run["task"], run["technique"], run["seed"], run["fold"])
            path = store.checked(address, PREDICTIONS)
            evaluation = last_evaluation(path, ALSO + name, run["step"])
        known = evaluation is not None and evaluation.step == run["step"]  # of another step is of another model
        found[name] = measure(evaluation.labels, evaluation.logits) if evaluation and known else dict.fromkeys(METRICS)
    return found


def also_rows(store: Store, runs: Sequence[Row], names: Sequence[str]) -> dict[Key, dict[str, dict[str, Any]]]:
    """Return for each (model, task, technique) and further test set its metrics over seeds, and the drop from test.

    `runs` are those of results.json. The interval of the accuracy is as that of test; with folds there is none, since a
    seed then has several models for the same examples. Raises StoreError for a file that cannot be read.
    """
    measured = {name: _answers(store, runs, name) for name in names}
    return {
        key: {name: _row(group, name, measured[name].get(key)) for name in names}
        for key, group in by_technique(runs).items()
    }


def _answers(store: Store, runs: Sequence[Row], name: str) -> dict[Key, Answers]:
    if any(run["fold"] is not None for run in runs):
        return {}
    return answers(store, [{**run, "split": ALSO + name, "metrics": run["also"][name]} for run in runs])


def _row(runs: Sequence[Row], name: str, measured: Answers | None) -> dict[str, Any]:
    done = [run for run in runs if run["status"] == "done"]
    drops = [_drop(run["metrics"]["accuracy"], run["also"][name]["accuracy"]) for run in done]
    enough = measured is not None and len(measured.examples) > 1
    metrics = {metric: spread([run["also"][name][metric] for run in done]) for metric in METRICS}
    return {
        "metrics": metrics,
        "accuracy_interval": accuracy_interval(measured.right).as_json() if measured and enough else None,
        "metric_intervals": intervals_of(metrics, measured if enough else None),
        "drop": spread(drops),
    }


def _drop(test: float | None, away: float | None) -> float | None:
    return None if test is None or away is None else test - away
