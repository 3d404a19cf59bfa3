"""The chart of a benchmark: what each work costs with each peer, and how many times ours that is."""

from typing import TYPE_CHECKING, Any

from benchmarks.setting import OURS
from tuneoff.report.formats import duration, size
from tuneoff.report.style import GREY, PALETTE, styled, svg_text

if TYPE_CHECKING:
    import altair as alt

ROWS = (
    ("total_seconds", "whole work, seconds"),
    ("step_seconds", "one training step, seconds"),
    ("peak_bytes", "peak memory, GB"),
)
WIDTH, BAR = 210, 24
ROOM = 2.2  # the axis goes on beyond the longest bar, for the labels


def chart_svg(results: dict[str, Any]) -> str:
    """Return the chart as SVG."""
    return svg_text(draw(results))


def draw(results: dict[str, Any]) -> "alt.TopLevelMixin":
    """Return the chart: a column a work, a row a measure, a bar a peer, with its ratio to ours."""
    import altair as alt

    works = list(dict.fromkeys(row["work"] for row in results["rows"]))
    stacked = [
        alt.hconcat(*[_panel(results, work, name, title, first=work == works[0]) for work in works], spacing=24)
        for name, title in ROWS
    ]
    chart = alt.vconcat(*stacked, spacing=16)
    title = f"{results['model']} on {results['task']}"
    return styled(chart, title, [*results["notes"], f"{results['environment']['cpu']}. ×: times ours."])


def _panel(results: dict[str, Any], work: str, name: str, title: str, *, first: bool) -> "alt.LayerChart":
    import altair as alt
    import pandas as pd

    peers = list(dict.fromkeys(row["peer"] for row in results["rows"]))
    order = [*(peer for peer in peers if peer != OURS), OURS]
    values = [
        {
            "peer": row["peer"],
            "value": row[name] / 1e9 if name == "peak_bytes" else row[name],
            "label": _label(row, name),
        }
        for row in results["rows"]
        if row["work"] == work
    ]
    top = max(value["value"] for value in values) * ROOM
    # Names stand at the first column alone, so that the columns of all rows lie below each other.
    axis = alt.Axis(labels=first, ticks=False, minExtent=100 if first else 0, maxExtent=100 if first else 0)
    base = alt.Chart(pd.DataFrame(values)).encode(
        y=alt.Y("peer:N", sort=order, title=None, scale=alt.Scale(domain=order), axis=axis),
        x=alt.X("value:Q", title=title, scale=alt.Scale(domain=[0, top]), axis=alt.Axis(tickCount=3)),
    )
    colours = [PALETTE[0] if peer == OURS else "#9A9A9A" for peer in order]
    bars = base.mark_bar().encode(color=alt.Color("peer:N", scale=alt.Scale(domain=order, range=colours), legend=None))
    text = base.mark_text(align="left", dx=4, fontSize=12, color=GREY).encode(text="label:N")
    panel: alt.LayerChart = (bars + text).properties(width=WIDTH, height=alt.Step(BAR), title=work)
    return panel


def _label(row: dict[str, Any], name: str) -> str:
    value = size(round(row[name])) if name == "peak_bytes" else duration(row[name])
    ratio = row[f"{name}_ratio"]
    if row["peer"] == OURS or not ratio:
        return value
    return f"{value} · {ratio:,.0f}×" if ratio >= 20 else f"{value} · {ratio:.1f}×"
