"""The axes of charts of histories, and what their extent decides: a log axis, and what is a point on it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuneoff.report.formats import short_duration
from tuneoff.report.placing import padded, time_ticks
from tuneoff.report.words import Words

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

LOG_RATIO = 8.0
INSTANT = 0.01


def instant(means: "pd.DataFrame", log: bool) -> list[str]:
    """Return the techniques whose evaluations all lie within a hundredth of the axis of time."""
    import numpy as np

    seconds = np.log(means["seconds"]) if log else means["seconds"]
    ends = seconds.groupby(means["technique"]).agg(["min", "max"])
    whole = ends["max"].max() - (ends["min"].min() if log else 0.0)
    spans = ends["max"] - ends["min"]
    several = means.groupby("technique").size() > 1
    return [str(name) for name in ends.index[(spans < INSTANT * whole) & several]]


def uneven(means: "pd.DataFrame") -> bool:
    """Return whether techniques' times differ so much that a log axis shows them better."""
    totals = means.groupby("technique")["seconds"].max()
    return bool(totals.max() > LOG_RATIO * totals.min())


def x_axis(means: "pd.DataFrame", axis: str, log: bool, titled: bool, say: Words) -> "alt.X":
    """Return the axis of `steps` or of `seconds`, from which all of the means can be seen."""
    import altair as alt

    if axis == "steps":
        x = alt.X("step", type="quantitative", title=say("axis.steps") if titled else None)
        return x.scale(domain=[0, float(means["step"].max()) or 1.0], nice=False).axis(
            format=",d", tickCount=6, tickMinStep=1
        )
    low, high = float(means["seconds"].min()), float(means["seconds"].max())
    low, high = (low / 1.1, high * 1.1) if log else (0.0, high * 1.02 or 1.0)
    return time_axis(low, high, log, titled, say)


def time_axis(low: float, high: float, log: bool, titled: bool, say: Words) -> "alt.X":
    """Return an x axis of the field `seconds` with ticks at round times, linear or logarithmic."""
    import altair as alt

    ticks = time_ticks(low, high, log)
    names = ", ".join(f"'{tick:g}': '{short_duration(tick, say)}'" for tick in ticks)
    title = say("axis.seconds.log" if log else "axis.seconds") if titled else None
    x = alt.X("seconds", type="quantitative", title=title)
    scale = alt.Scale(type="log" if log else "linear", domain=[low, high], nice=False)
    return x.scale(scale).axis(values=ticks, labelExpr=f"({{{names}}})[format(datum.value, '~g')]", labelFlush=True)


def metric_axis(
    rows: "pd.DataFrame", metric: str, limit: float | None, say: Words, shown: Sequence[float] = ()
) -> "alt.Y":
    """Return the axis of a metric; accuracies that are `shown` beside it are inside."""
    import altair as alt

    values = rows[metric].dropna()
    ends = [float(values.min()), float(values.max()), *(shown if metric == "accuracy" else ())] if len(values) else []
    low, high = padded(ends, 0.04) if ends else (0.0, 1.0)
    if metric == "loss" and limit is not None:
        high = limit
    if metric == "accuracy":
        low, high = max(0.0, low), min(1.0, high)
    y = alt.Y(metric, type="quantitative", title=say(f"axis.{metric}"))
    return y.scale(domain=[low, high], nice=False, zero=False).axis(tickCount=5)
