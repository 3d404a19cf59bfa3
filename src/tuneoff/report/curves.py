"""Histories of all runs as one frame, on one axis of steps and one of seconds over a technique's stages."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuneoff.store import StageAddress, Store

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "model": "str",
    "task": "str",
    "technique": "str",
    "seed": "int64",
    "done": "bool",
    "stage": "int64",
    "chain": "str",
    "stage_name": "str",
    "series": "str",
    "step": "float64",
    "stage_step": "float64",
    "seconds": "float64",
    "loss": "float64",
    "accuracy": "float64",
}
StageRows = tuple[list[dict[str, Any]], bool, float, float]
METRICS = ("loss", "accuracy")
MOST_POINTS = 500
PREPARATION = ("load", "tokenize", "features")


def load_curves(results: Mapping[str, Any], store: Store) -> "pd.DataFrame":
    """Return a row for each training step and each evaluation of the watched split, in order (see COLUMNS).

    A shared stage has rows for each technique that uses it. `series` is training or evaluation, `stage` counts from 0,
    `chain` names it as its folder does, `done` says whether it ended as it should.
    `seconds` is time as if run alone: what the stages before cost, then this one's loading and preparation, then the
    time in its history; so the last one is about the technique's total. It is NaN where a cost is unknown.
    """
    import pandas as pd

    watched = results["study"]["protocol"].get("eval_on", "test")
    stages = _Stages(store, watched)
    found: list[dict[str, Any]] = []
    for run in results["runs"]:
        offset = 0.0
        for place, stage in enumerate(run["source"]["stages"]):
            address = StageAddress(run["model"], run["task"], stage["chain"], run["seed"], run["fold"])
            rows, done, preparation, total = stages.read(address)
            of = {name: run[name] for name in ("model", "task", "technique", "seed")}
            name = stage["chain"].split("+")[-1]
            of |= {"done": done, "stage": place, "chain": stage["chain"], "stage_name": name}
            found += [{**row, "seconds": row["seconds"] + offset + preparation, **of} for row in rows]
            offset += total
    # Made at once: a frame for each of a thousand runs takes seconds.
    return pd.DataFrame(found, columns=list(COLUMNS)).astype(COLUMNS)


def thin(frame: "pd.DataFrame", by: Sequence[str]) -> tuple["pd.DataFrame", int]:
    """Return the rows, at most MOST_POINTS for each group, as means over bins of consecutive rows; and the bins' width.

    All groups have the same width, that of the longest, so that a seed and the mean of seeds are equally smooth.
    """
    import pandas as pd

    longest = int(frame.groupby(list(by)).size().max()) if len(frame) else 0
    width = math.ceil(longest / MOST_POINTS)
    if width <= 1:
        return frame, 1
    bins = frame.groupby(list(by)).cumcount() // width
    means = frame.assign(bin=bins).groupby([*by, "bin"], as_index=False)[["step", "seconds", *METRICS]].mean()
    return pd.DataFrame(means.drop(columns="bin")), width


def seed_mean(frame: "pd.DataFrame", by: Sequence[str]) -> "pd.DataFrame":
    """Return means over the seeds done, at the steps that all of a stage's seeds have; `by` includes the stage."""
    done = frame[frame["done"]]
    done = done.assign(seeds=done.groupby(list(by))["seed"].transform("nunique"))
    groups = done.groupby([*by, "step"], as_index=False)
    means = groups[["seconds", "seeds", *METRICS]].mean()
    return means[groups.size()["size"] == means["seeds"]]


def loss_limit(values: "pd.Series[float]") -> float | None:
    """Return above which loss a chart is cut off, so that a divergence does not flatten the rest; None for no cut."""
    known = values.dropna()
    if known.empty:
        return None
    usual = float(known.quantile(0.9))
    return 2 * usual if known.max() > 10 * usual > 0 else None


class _Stages:
    """Reads each stage once: its rows, whether it is done, its seconds before the first step and in all (alone)."""

    def __init__(self, store: Store, watched: str) -> None:
        self._store = store
        self._watched = watched
        self._read: dict[StageAddress, StageRows] = {}

    def read(self, address: StageAddress) -> StageRows:
        if address not in self._read:
            record = self._store.record(address)
            spent = record.seconds_alone if record else {}
            preparation = sum(spent.get(phase) or 0.0 for phase in PREPARATION) if spent else float("nan")
            total = sum(value for value in spent.values() if value) if spent else float("nan")
            done = record is not None and record.status == "done"
            self._read[address] = (self._rows(address), done, preparation, total)
        return self._read[address]

    def _rows(self, address: StageAddress) -> list[dict[str, Any]]:
        return [
            {
                "series": "training" if row["event"] == "train" else "evaluation",
                **{name: _number(row.get(name)) for name in ("step", "stage_step", "seconds", "loss", "accuracy")},
            }
            for row in self._store.history(address)
            if row["event"] == "train" or row.get("split") == self._watched
        ]


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
