"""Charts with a point a technique: accuracy against time and against trained parameters."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from tuneoff.report.curve_charts import Drawing, time_axis
from tuneoff.report.placing import GAP, LINE, Label, count_ticks, padded, padded_log, place_labels
from tuneoff.report.style import GREY, WIDTH, styled, technique_styles
from tuneoff.report.words import Words

if TYPE_CHECKING:
    import altair as alt

LEAST_HEIGHT = 280.0
Field = Literal["seconds", "trained"]


def point_drawing(
    runs: Sequence[Mapping[str, Any]], techniques: Sequence[str], field: Field, place: str, say: Words
) -> Drawing | None:
    """Return accuracy against time (alone) or trained parameters: seeds as small points, means as large ones, labelled.

    `runs` are rows of the results of one model; those not done, or where a number is unknown, are left out. None if no
    run is left.
    """
    import altair as alt

    seeds = [point for run in runs if (point := _point(run, field)) is not None]
    if not seeds:
        return None
    means = _means(seeds, techniques, field)
    styles = technique_styles(techniques)
    # Room for a line each, even if all labels stand in one column.
    height = max(LEAST_HEIGHT, LINE * (len(means) + 1))
    x_range = padded_log([point[field] for point in seeds])
    y_range = padded([point["accuracy"] for point in seeds])
    names = [point["technique"] for point in means]
    x = _x_axis(field, x_range, say)
    y = alt.Y("accuracy", type="quantitative", title=say("axis.accuracy")).axis(tickCount=6)
    y = y.scale(domain=list(y_range), nice=False, zero=False)
    color = alt.Color("technique", type="nominal", legend=None).scale(
        domain=names, range=[styles[name][0] for name in names]
    )
    layers: list[alt.Chart] = []
    several = len(seeds) > len(means)
    if several:
        small = alt.Chart(alt.InlineData(values=seeds)).mark_circle(size=22, opacity=0.45)
        layers.append(small.encode(x=x, y=y, color=color))
    large = alt.Chart(alt.InlineData(values=means)).mark_circle(size=130, opacity=1)
    layers.append(large.encode(x=x, y=y, color=color))
    layers += _labels(means, field, x_range, y_range, height)
    chart = alt.layer(*layers).properties(width=WIDTH, height=height)
    captions = [say("caption.points"), *([say("caption.points_seeds")] if several else [])]
    title = say("chart.time" if field == "seconds" else "chart.parameters")
    return Drawing(styled(chart, title, [place, *captions]), tuple(captions))


def _point(run: Mapping[str, Any], field: Field) -> dict[str, Any] | None:
    """A run's place in the chart; None where it has none."""
    value = run["seconds_total"]["alone"] if field == "seconds" else run["parameters"]["trained"]
    accuracy = run["metrics"]["accuracy"]
    if run["status"] != "done" or accuracy is None or not value:
        return None
    return {"technique": run["technique"], field: float(value), "accuracy": accuracy}


def _means(seeds: Sequence[Mapping[str, Any]], techniques: Sequence[str], field: Field) -> list[dict[str, Any]]:
    means = []
    for name in techniques:
        own = [point for point in seeds if point["technique"] == name]
        if own:
            mean = {column: sum(point[column] for point in own) / len(own) for column in (field, "accuracy")}
            means.append({"technique": name, **mean})
    return means


def _x_axis(field: Field, x_range: tuple[float, float], say: Words) -> "alt.X":
    import altair as alt

    low, high = x_range
    if field == "seconds":
        return time_axis(low, high, log=True, titled=True, say=say)
    x = alt.X("trained", type="quantitative", title=say("axis.trained"))
    x = x.scale(type="log", domain=[low, high], nice=False)
    return x.axis(values=count_ticks(low, high), labelExpr="replace(format(datum.value, '~s'), 'G', 'B')")


def _labels(
    means: Sequence[Mapping[str, Any]],
    field: Field,
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    height: float,
) -> list["alt.Chart"]:
    """Each technique's name beside its point, with a thin line to it where the name had to move."""
    import altair as alt

    across = math.log(x_range[1] / x_range[0])
    wanted = [
        Label(
            point["technique"],
            WIDTH * math.log(point[field] / x_range[0]) / across,
            height * (y_range[1] - point["accuracy"]) / (y_range[1] - y_range[0]),
        )
        for point in means
    ]
    layers: list[alt.Chart] = []
    for before, label in zip(wanted, place_labels(wanted, WIDTH, height), strict=True):
        end = label.x + (-GAP if label.left else GAP)
        data = alt.InlineData(values=[{"text": label.text}])
        if abs(label.y - before.y) > LINE / 3:
            rule = alt.Chart(data).mark_rule(color=GREY, strokeWidth=0.7)
            ends = {"x2": alt.value(end), "y2": alt.value(label.y)}
            layers.append(rule.encode(x=alt.value(before.x), y=alt.value(before.y), **ends))
        text = alt.Chart(data).mark_text(align="right" if label.left else "left", baseline="middle", fontSize=12)
        layers.append(text.encode(x=alt.value(end), y=alt.value(label.y), text=alt.Text("text", type="nominal")))
    return layers
