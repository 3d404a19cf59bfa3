"""Charts with a point a technique: accuracy against time, trained parameters or peak memory."""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from tuneoff.evidence.choice import COSTS as ALL_COSTS
from tuneoff.evidence.choice import Candidate, Cost, pareto_front
from tuneoff.report.curve_axes import time_axis
from tuneoff.report.curve_charts import Drawing
from tuneoff.report.formats import short_count, size
from tuneoff.report.placing import GAP, LINE, Label, count_ticks, covers_any, padded, padded_log, place_labels
from tuneoff.report.style import GREY, PALETTE, TEXT, WIDTH, legend_columns, styled, technique_styles
from tuneoff.report.words import Words

if TYPE_CHECKING:
    import altair as alt

LEAST_HEIGHT = 280.0
FAR = 1.5  # lines that a label may stand above or below its point
COSTS: Mapping[str, Cost] = {"time": "seconds", "parameters": "trained_parameters", "memory": "memory_bytes"}
Row = Mapping[str, Any]


def point_drawing(
    runs: Sequence[Row], rows: Sequence[Row], techniques: Sequence[str], kind: str, place: str, say: Words
) -> Drawing | None:
    """Return accuracy against time (alone), trained parameters or peak memory (bytes), techniques labelled.

    Small points are seeds, large ones means with the 95% interval of the accuracy; a thin line is the Pareto front of
    the means (`choice.pareto_front`). `runs` and `rows` are those of the results of one model, `rows` its `techniques`;
    runs not done, or where a number is unknown, are left out. None if no run is left, and for memory that was measured
    in different ways.
    """
    import altair as alt

    cost = COSTS[kind]
    seeds = [point for run in runs if (point := _point(run, cost)) is not None]
    if not seeds or (kind == "memory" and len({point["measured"] for point in seeds}) > 1):
        return None
    means = _means(seeds, rows, techniques, cost)
    bars = [point for point in means if point["low"] is not None]
    # Room for a line each, even if all labels stand in one column.
    height = max(LEAST_HEIGHT, LINE * (len(means) + 1))
    x_range = padded_log([point[cost] for point in seeds])
    y_range = padded([point["accuracy"] for point in seeds] + [bar[end] for bar in bars for end in ("low", "high")])
    front = _front(means, cost)
    labels = _labels(means, front, cost, x_range, y_range, height)
    x, color = _x_axis(cost, x_range, say), _color(means, techniques, legend=labels is None)
    y, low = (_y_axis(field, y_range, say) for field in ("accuracy", "low"))
    layers: list[alt.Chart] = []
    if len(front) > 1:
        line = alt.Chart(alt.InlineData(values=front)).mark_line(interpolate="step-after", strokeWidth=1, color=GREY)
        layers.append(line.encode(x=x, y=y))
    several = len(seeds) > len(means)
    if several:
        small = alt.Chart(alt.InlineData(values=seeds)).mark_circle(size=22, opacity=0.45)
        layers.append(small.encode(x=x, y=y, color=color))
    if bars:
        bar = alt.Chart(alt.InlineData(values=bars)).mark_rule(strokeWidth=1.5, opacity=0.6)
        layers.append(bar.encode(x=x, y=low, y2=alt.Y2("high"), color=color))
    large = alt.Chart(alt.InlineData(values=means)).mark_circle(size=130, opacity=1)
    layers.append(large.encode(x=x, y=y, color=color))
    layers += labels or []
    chart = alt.layer(*layers).properties(width=WIDTH, height=height)
    captions = _captions(rows, several, bool(bars), len(front) > 1, say)
    own = [{"of": "seed", **point} for point in seeds] if several else []
    data = [*({"of": "mean", **point} for point in means), *own]
    return Drawing(styled(chart, say(f"chart.{kind}"), [place, *captions]), tuple(captions), data)


def _captions(rows: Sequence[Row], several: bool, bars: bool, front: bool, say: Words) -> list[str]:
    covers = {row["accuracy_interval"]["covers"] for row in rows if row["accuracy_interval"]}
    captions = [say("caption.points")]
    captions += [say("caption.points_seeds")] if several else []
    captions += [say("caption.points_bars.examples" if "examples" in covers else "caption.points_bars")] if bars else []
    captions += [say("caption.front")] if front else []
    return captions


def _point(run: Row, cost: Cost) -> dict[str, Any] | None:
    """A run's place in the chart; None where it has none."""
    peak = run["peak_memory"] or {"bytes": None, "kind": None}
    values = {
        "seconds": run["seconds_total"]["alone"],
        "trained_parameters": run["parameters"]["trained"],
        "memory_bytes": peak["bytes"],
    }
    accuracy = run["metrics"]["accuracy"]
    if run["status"] != "done" or accuracy is None or not values[cost]:
        return None
    point = {"technique": run["technique"], cost: float(values[cost]), "accuracy": accuracy}
    return {**point, "measured": peak["kind"]} if cost == "memory_bytes" else point


def _means(seeds: Sequence[Row], rows: Sequence[Row], techniques: Sequence[str], cost: Cost) -> list[dict[str, Any]]:
    intervals = {row["technique"]: row["accuracy_interval"] or {} for row in rows}
    means = []
    for name in techniques:
        own = [point for point in seeds if point["technique"] == name]
        if own:
            mean = {column: sum(point[column] for point in own) / len(own) for column in (cost, "accuracy")}
            bounds = {end: intervals.get(name, {}).get(end) for end in ("low", "high")}
            means.append({"technique": name, **mean, **bounds})
    return means


def _front(means: Sequence[Row], cost: Cost) -> list[Row]:
    """The means on the Pareto front of accuracy and this one cost, the cheapest first."""
    unknown: dict[str, Any] = dict.fromkeys(ALL_COSTS)
    candidates = [
        Candidate(**{**unknown, "name": point["technique"], "accuracy": point["accuracy"], cost: point[cost]})
        for point in means
    ]
    names = pareto_front(candidates, [cost])
    return sorted((point for point in means if point["technique"] in names), key=lambda point: float(point[cost]))


def _color(means: Sequence[Row], techniques: Sequence[str], legend: bool) -> "alt.Color":
    import altair as alt

    styles = technique_styles(techniques)
    names = [point["technique"] for point in means]
    below: dict[str, Any] = {
        "orient": "bottom",
        "symbolType": "circle",
        "symbolSize": 110,
        "columns": legend_columns(names),
    }
    shown = alt.Legend(title=None, **below) if legend else None
    return alt.Color("technique", type="nominal", legend=shown).scale(
        domain=names, range=[styles[name][0] for name in names]
    )


def _y_axis(field: str, y_range: tuple[float, float], say: Words) -> "alt.Y":
    import altair as alt

    y = alt.Y(field, type="quantitative", title=say("axis.accuracy")).axis(tickCount=6)
    return y.scale(domain=list(y_range), nice=False, zero=False)


def _x_axis(cost: Cost, x_range: tuple[float, float], say: Words) -> "alt.X":
    import altair as alt

    low, high = x_range
    if cost == "seconds":
        return time_axis(low, high, log=True, titled=True, say=say)
    ticks = count_ticks(low, high)
    written = size if cost == "memory_bytes" else short_count
    names = ", ".join(f"'{round(tick)}': '{written(round(tick), say)}'" for tick in ticks)
    label = f"({{{names}}})[format(datum.value, 'd')]"
    title = say("axis.memory" if cost == "memory_bytes" else "axis.trained")
    x = alt.X(cost, type="quantitative", title=title).scale(type="log", domain=[low, high], nice=False)
    return x.axis(values=ticks, labelExpr=label)


def _labels(
    means: Sequence[Row],
    front: Sequence[Row],
    cost: Cost,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    height: float,
) -> list["alt.Chart"] | None:
    """Each technique's name beside its point, with a thin line to it where the name had to move.

    None where one would have to move far, so that its line would cross other points, or would stand on a bar: a legend
    then tells which is which, unless techniques are so many that they share colours.
    """
    import altair as alt

    def across(point: Row) -> float:
        return WIDTH * math.log(point[cost] / x_range[0]) / math.log(x_range[1] / x_range[0])

    def down(accuracy: float) -> float:
        return height * (y_range[1] - accuracy) / (y_range[1] - y_range[0])

    wanted = [Label(point["technique"], across(point), down(point["accuracy"])) for point in means]
    bars = [point for point in means if point["low"] is not None]
    drawn = [(across(bar), across(bar), down(bar["high"]), down(bar["low"])) for bar in bars]
    for one, other in pairwise(front):
        drawn.append((across(one), across(other), down(one["accuracy"]), down(one["accuracy"])))
    layers: list[alt.Chart] = []
    placed = place_labels(wanted, WIDTH, height, drawn)
    far = any(abs(label.y - before.y) > FAR * LINE for before, label in zip(wanted, placed, strict=True))
    if (far or covers_any(placed, drawn)) and len(wanted) <= len(PALETTE):
        return None
    for before, label in zip(wanted, placed, strict=True):
        end = label.x + (-GAP if label.left else GAP)
        data = alt.InlineData(values=[{"text": label.text}])
        if abs(label.y - before.y) > LINE / 3:
            rule = alt.Chart(data).mark_rule(color=GREY, strokeWidth=0.7)
            ends = {"x2": alt.value(end), "y2": alt.value(label.y)}
            layers.append(rule.encode(x=alt.value(before.x), y=alt.value(before.y), **ends))
        text = alt.Chart(data).mark_text(align="right" if label.left else "left", baseline="middle", fontSize=TEXT)
        layers.append(text.encode(x=alt.value(end), y=alt.value(label.y), text=alt.Text("text", type="nominal")))
    return layers
