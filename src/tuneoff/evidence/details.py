"""What a mean over seeds hides, for each technique: collapsed seeds, unfinished training, calibration, CKA, slices."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuneoff.evidence.answers import by_technique
from tuneoff.evidence.calibration import Calibrated, calibrate_crosswise, calibrate_on_dev
from tuneoff.evidence.collapse import collapse
from tuneoff.evidence.improving import LossCurve, trend
from tuneoff.evidence.predictions import Evaluation, evaluated_rows, last_evaluation
from tuneoff.evidence.representation import representation
from tuneoff.evidence.slices import accuracy_by_slice
from tuneoff.evidence.summary import spread
from tuneoff.evidence.task_files import KeptRows, kept_rows
from tuneoff.store import PREDICTIONS, StageAddress, Store

Row = Mapping[str, Any]


@dataclass(frozen=True)
class _Measured:
    """A run that is done, with the evaluations of the model that is reported, and the numbers of the test rows.

    `dev` is None where dev was not evaluated at that step.
    """

    run: Row
    test: Evaluation
    dev: Evaluation | None
    rows: NDArray[np.int64] | None


def detail_rows(store: Store, study: Row, runs: Sequence[Row]) -> list[dict[str, Any]]:
    """Return a row for each model, task and technique, in the order of `runs` (see the schema for the fields).

    `study` and `runs` are those of results.json. Runs whose metrics are unknown are left out. Raises StoreError for a
    file that cannot be read.
    """
    groups = by_technique(runs)
    columns = {task: kept_rows(store, task) for task in dict.fromkeys(key[1] for key in groups)}
    watched = str(study["protocol"].get("eval_on", "test"))
    return [_detail_row(store, watched, key, group, columns[key[1]]) for key, group in groups.items()]


def _detail_row(
    store: Store, watched: str, key: tuple[str, str, str], runs: Sequence[Row], columns: KeptRows | None
) -> dict[str, Any]:
    measured = [_measured(store, run, watched, columns) for run in runs if run["metrics"]["accuracy"] is not None]
    return {
        "model": key[0],
        "task": key[1],
        "technique": key[2],
        "collapse": _collapse(measured),
        "trend": {"split": watched, **asdict(trend(_curves(store, watched, [one.run for one in measured])))},
        "calibration": _calibration(measured, columns),
        "cka": spread([_cka(store, one.run) for one in measured]),
        "head_norms": _head_norms([one.run for one in measured]),
        "slices": _slices(runs, measured, columns),
    }


def _head_norms(runs: Sequence[Row]) -> list[dict[str, Any]]:
    """The head's norm at the end of each stage, over the runs where it is known."""
    stages = [run["source"]["stages"] for run in runs]
    return [
        {"chain": of_stage[0]["chain"], "norm": spread([one["head_norm"] for one in of_stage])}
        for of_stage in zip(*stages, strict=True)
    ]


def _measured(store: Store, run: Row, watched: str, columns: KeptRows | None) -> _Measured:
    path, step = store.checked(_address(run), PREDICTIONS), run["step"]
    test = last_evaluation(path, run["split"], step)
    assert test is not None  # the run has metrics, which come from it
    dev = last_evaluation(path, "dev", step) if watched == "dev" else None
    if dev is not None and (dev.step != step or not np.isfinite(dev.logits).all()):
        dev = None  # of another step is of another model
    rows = None if columns is None else evaluated_rows(path, run["split"], step)
    return _Measured(run, test, dev, rows)


def _address(run: Row) -> StageAddress:
    return StageAddress(run["model"], run["task"], run["technique"], run["seed"], run["fold"])


def _cka(store: Store, run: Row) -> float | None:
    found = representation(store, _address(run), run["source"]["key"])
    return None if found is None else found["cka"]


def _collapse(measured: Sequence[_Measured]) -> dict[str, Any]:
    """Each run by itself: folds have other examples, so they are no rows of one array."""
    found = [(one.run, collapse(one.test.logits.argmax(axis=1)[None])) for one in measured]
    answers = [
        {"seed": run["seed"], "fold": run["fold"], "class": answer}
        for run, of_run in found
        for answer in of_run.answers.values()
    ]
    return {
        "seeds": len(found),
        "collapsed": len(answers),
        "share": len(answers) / len(found) if found else None,
        "answers": answers,
    }


def _curves(store: Store, watched: str, runs: Sequence[Row]) -> list[LossCurve]:
    """Return the curve of each seed's last stage; with folds the mean of the folds at the steps that all have.

    Folds of a seed share most of their train rows, so they are no independent curves.
    """
    by_seed: dict[int, list[dict[int, float]]] = {}
    for run in runs:
        losses = {
            int(row["stage_step"]): float("nan") if row["loss"] is None else float(row["loss"])
            for row in store.history(_address(run))
            if row["event"] == "eval" and row["split"] == watched
        }
        by_seed.setdefault(run["seed"], []).append(losses)
    curves = []
    for folds in by_seed.values():
        steps = sorted(set.intersection(*(set(losses) for losses in folds)))
        means = np.array([np.mean([losses[step] for losses in folds]) for step in steps], dtype=np.float64)
        curves.append(LossCurve(np.array(steps, dtype=np.float64), means))
    return curves


def _calibration(measured: Sequence[_Measured], columns: KeptRows | None) -> dict[str, Any]:
    """Fit on dev if all runs have it, so that the runs of a technique are calibrated alike."""
    on_dev = bool(measured) and all(one.dev is not None for one in measured)
    found: list[Calibrated] = []
    for one in measured:
        labels, logits = one.test.labels, one.test.logits
        if on_dev and one.dev is not None:
            found.append(calibrate_on_dev(one.dev.labels, one.dev.logits, labels, logits))
        else:
            found.append(calibrate_crosswise(labels, logits, _groups(one, columns)))
    reasons = [one.reason for one in found if one.reason is not None]
    return {
        "fitted_on": found[0].fitted_on if found else None,
        "loss": spread([one.loss for one in found]),
        "ece": spread([one.ece for one in found]),
        "reason": reasons[0] if reasons else None,
    }


def _groups(one: _Measured, columns: KeptRows | None) -> list[str] | None:
    """Return the groups of a run's test rows; None where there are none, or they are not known for all rows."""
    if columns is None or columns.groups is None or one.rows is None:
        return None
    known = dict(zip(columns.rows, columns.groups, strict=True))
    rows = one.rows.tolist()
    return [known[row] for row in rows] if known.keys() >= set(rows) else None


def _slices(
    runs: Sequence[Row], measured: Sequence[_Measured], columns: KeptRows | None
) -> dict[str, list[dict[str, Any]]]:
    """Return for each slice column the accuracy by its values, over the seeds all of whose folds are measured.

    Empty where the columns are not known for all test rows, as for data that changed since.
    """
    if columns is None or not columns.slices:
        return {}
    asked = Counter(run["seed"] for run in runs)
    right: dict[int, dict[int, bool]] = {}
    counts = Counter(one.run["seed"] for one in measured)
    for one in measured:
        if one.rows is not None and counts[one.run["seed"]] == asked[one.run["seed"]]:
            hits = one.test.logits.argmax(axis=1) == one.test.labels
            right.setdefault(one.run["seed"], {}).update(zip(one.rows.tolist(), hits.tolist(), strict=True))
    if not right or any(found.keys() != set(columns.rows) for found in right.values()):
        return {}
    table = np.array([[found[row] for row in columns.rows] for found in right.values()], dtype=np.bool_)
    return {
        name: [asdict(one) for one in accuracy_by_slice(table, values).values()]
        for name, values in columns.slices.items()
    }
