"""Techniques over their seeds: means and spreads of the runs that are done, and how surely accuracies are known."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tuneoff.evidence.answers import Answers, Key, by_technique
from tuneoff.evidence.intervals import accuracy_interval
from tuneoff.evidence.metric_intervals import metric_intervals
from tuneoff.evidence.metrics import METRICS

SECONDS = ("as_run", "alone", "last_stage")


def technique_rows(
    runs: Sequence[dict[str, Any]],
    techniques: Sequence[dict[str, Any]],
    measured: Mapping[Key, Answers],
    away: Mapping[Key, Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """Return one row for each model, task and technique, in the order of the runs (see the schema for the fields).

    `away` has what each reaches on further test sets.
    """
    uses = {technique["name"]: technique["use"] for technique in techniques}
    return [
        {**_technique_row(key, group, uses[key[2]], measured.get(key)), "also": dict(away[key])}
        for key, group in by_technique(runs).items()
    ]


def spread(values: Sequence[float | None]) -> dict[str, Any]:
    """Return n, mean, sd (of a sample, n - 1; None for fewer than two), min and max of the values that are known."""
    known = [value for value in values if value is not None]
    return {
        "n": len(known),
        "mean": statistics.fmean(known) if known else None,
        "sd": statistics.stdev(known) if len(known) > 1 else None,
        "min": min(known, default=None),
        "max": max(known, default=None),
    }


def _technique_row(
    key: tuple[str, str, str], group: Sequence[dict[str, Any]], use: str, measured: Answers | None
) -> dict[str, Any]:
    done = [run for run in group if run["status"] == "done"]
    known = done or [run for run in group if run["status"] == "failed"]
    reasons = [run["reason"] for run in group if run["reason"]]
    metrics = {name: spread([run["metrics"][name] for run in done]) for name in METRICS}
    folds = any(run["fold"] is not None for run in group)
    return {
        "model": key[0],
        "task": key[1],
        "technique": key[2],
        "use": use,
        "stages": max(len(run["source"]["stages"]) for run in group),
        "runs": {
            "asked": len(group),
            "done": len(done),
            "failed": sum(run["status"] == "failed" for run in group),
            "missing": sum(run["status"] == "missing" for run in group),
        },
        "reason": reasons[0] if reasons else None,
        "metrics": metrics,
        "accuracy_interval": None if measured is None else accuracy_interval(measured.right).as_json(),
        "metric_intervals": intervals_of(metrics, None if folds else measured),
        "parameters": known[0]["parameters"] if known else None,
        "settings": known[0]["settings"] if known else None,
        "budget": known[0]["budget"] if known else None,
        "seconds_total": {name: spread([run["seconds_total"][name] for run in done])["mean"] for name in SECONDS},
        "peak_memory": _mean_peak(done),
    }


def intervals_of(metrics: Mapping[str, Mapping[str, Any]], measured: Answers | None) -> dict[str, Any]:
    """Return the intervals of F1 and Matthews' correlation as JSON values, None where there is none.

    Over folds there is none (`measured` is None): that of all rows together is not the mean of the folds' own.
    """
    means = {name: spread["mean"] for name, spread in metrics.items()}
    return metric_intervals(means, measured.labels if measured else None, measured.given if measured else None)


def _mean_peak(done: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The mean of the peaks, None where one is unknown or they were measured in different ways."""
    peaks = [run["peak_memory"] for run in done]
    if not peaks or None in peaks or len({peak["kind"] for peak in peaks}) > 1:
        return None
    return {"bytes": round(statistics.fmean(peak["bytes"] for peak in peaks)), "kind": peaks[0]["kind"]}
