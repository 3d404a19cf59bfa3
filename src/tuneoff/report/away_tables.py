"""What techniques reach on further test sets: beside test for readers, and all of it for programs."""

from collections.abc import Mapping
from typing import Any

from tuneoff.evidence.metrics import METRICS
from tuneoff.report.formats import mean_spread
from tuneoff.report.table import Cell, Column, Table
from tuneoff.report.tables import OWN, Results, several_models
from tuneoff.report.words import WORDS, Words


def away_table(results: Results, say: Words = WORDS) -> Table:
    """Return the accuracy of each technique on test and on each further set, and how far it drops there.

    A set whose benchmark reports another metric has that one too.
    """
    shown = [row for row in results["techniques"] if row["metrics"]["accuracy"]["mean"] is not None]
    names = list(dict.fromkeys(name for row in shown for name in row["also"]))
    own = {name: metric for task in results["tasks"] for name, metric in task["also_metrics"].items() if name in names}
    columns = [
        *([Column("model", say("column.model"))] if several_models(results) else []),
        Column("technique", say("column.technique")),
        Column("test", say("away.test"), numeric=True),
    ]
    for name in names:
        columns.append(Column(name, name, numeric=True))
        columns.append(Column(f"{name}_drop", say("column.drop"), numeric=True))
        if metric := own.get(name):
            columns.append(Column(f"{name}_{metric}", f"{name}, {say(f'column.{metric}')}", numeric=True))
    rows = []
    for row in shown if names else []:
        cells = [Cell(row["technique"], row["technique"]), _accuracy(row, say)]
        for name in names:
            found = row["also"][name]
            cells += [_accuracy(found, say), _drop(found["drop"], say)]
            cells += (
                [_with_interval(found, own[name], found["metric_intervals"][own[name]], say)] if name in own else []
            )
        rows.append([*([Cell(row["model"], row["model"])] if several_models(results) else []), *cells])
    return Table("away", say("html.away"), columns, rows, [say("away.caption")])


def raw_away_table(results: Results) -> Table:
    """Return a row for each technique and further set with raw values, for programs; always the same columns.

    Metrics and the drop are means over runs with standard deviations, shares and not points; a technique that was not
    measured there has its row with nothing in it.
    """
    intervals = [f"{metric}_{end}" for metric in ("accuracy", *OWN) for end in ("low", "high")]
    names = ("model", "task", "technique", "set", "runs", *METRICS, *intervals, "drop")
    columns = [Column(name, name, spread=name in METRICS or name == "drop") for name in names]
    rows = []
    for row in results["techniques"]:
        for name, found in row["also"].items():
            metrics, known = found["metrics"], [found["accuracy_interval"], *map(found["metric_intervals"].get, OWN)]
            values = (row["model"], row["task"], row["technique"], name, metrics["accuracy"]["n"])
            spreads = [Cell("", metrics[metric]["mean"], metrics[metric]["sd"]) for metric in METRICS]
            bounds = [Cell("", interval and interval[bound]) for interval in known for bound in ("low", "high")]
            drop = Cell("", found["drop"]["mean"], found["drop"]["sd"])
            rows.append([*(Cell("", value) for value in values), *spreads, *bounds, drop])
    return Table("away", "", columns, rows)


def _accuracy(found: Mapping[str, Any], say: Words) -> Cell:
    return _with_interval(found, "accuracy", found["accuracy_interval"], say)


def _with_interval(found: Mapping[str, Any], metric: str, interval: Mapping[str, Any] | None, say: Words) -> Cell:
    """The mean with its interval, else with its spread."""
    mean, sd = (found["metrics"][metric][name] for name in ("mean", "sd"))
    if mean is None or interval is None:
        return Cell(mean_spread(mean, sd, say), mean, sd)
    bounds = {name: say.number(f"{interval[name]:.3f}") for name in ("low", "high")}
    return Cell(say("slices.accuracy", accuracy=say.number(f"{mean:.3f}"), **bounds), mean, sd)


def _drop(found: Mapping[str, Any], say: Words) -> Cell:
    """In points of accuracy, with a decimal; the spread as wide as the mean's digits."""
    mean, sd = found["mean"], found["sd"]
    if mean is None:
        return Cell(say("value.unknown"))
    text = f"{100 * mean:.1f}"
    return Cell(say.number(text if sd is None else f"{text} ± {100 * sd:.1f}"), mean, sd)
