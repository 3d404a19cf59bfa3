"""The chart of what more trials of settings would bring: expected accuracy on dev against the number of trials."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from tuneoff.report.curve_charts import Drawing
from tuneoff.report.placing import padded
from tuneoff.report.style import HEIGHT, WIDTH, legend_columns, styled, technique_styles
from tuneoff.report.words import Words


def budget_drawing(
    rows: Sequence[Mapping[str, Any]], techniques: Sequence[str], place: str, say: Words
) -> Drawing | None:
    """Return the accuracy on dev to expect of the best of 1, 2, ... trials, a line a technique; None without trials.

    `rows` are the `tuning` of the results of one model, with `expected` after R. Tang et al., Showing Your Work
    Doesn't Always Work, ACL (2020), section 3; over folds, lines are means. `techniques` orders colours and legend;
    chains that techniques only start from have no line.
    """
    import altair as alt

    own = {name: [row["expected"] for row in rows if row["chain"] == name and row["expected"]] for name in techniques}
    present = [name for name in techniques if own[name]]
    if not present:
        return None
    values: list[dict[str, Any]] = [
        {"technique": name, "trials": number, "expected": statistics.fmean(expected)}
        for name in present
        # A fold in which trials failed has fewer numbers.
        for number, expected in enumerate(zip(*own[name], strict=False), start=1)
    ]
    styles = technique_styles(techniques)
    most = max(value["trials"] for value in values)
    x = alt.X("trials", type="quantitative", title=say("axis.trials"))
    x = x.scale(domain=[0.8, most + 0.2], nice=False).axis(tickMinStep=1, tickCount=min(most, 8), format="d")
    y = alt.Y("expected", type="quantitative", title=say("axis.expected")).axis(tickCount=6)
    y = y.scale(domain=list(padded([value["expected"] for value in values])), nice=False, zero=False)
    legend: dict[str, Any] = {"orient": "bottom", "symbolType": "stroke", "symbolStrokeWidth": 2.5}
    legend["columns"] = legend_columns(present)
    color = alt.Color("technique", type="nominal", title=None, sort=present, legend=alt.Legend(**legend))
    color = color.scale(domain=present, range=[styles[name][0] for name in present])
    dash = alt.StrokeDash("technique", type="nominal", title=None, sort=present, legend=alt.Legend(**legend))
    dash = dash.scale(domain=present, range=[list(styles[name][1]) for name in present])
    line = alt.Chart(alt.InlineData(values=values)).mark_line(strokeWidth=2, point=alt.OverlayMarkDef(size=36))
    chart = alt.layer(line.encode(x=x, y=y, color=color, strokeDash=dash)).properties(width=WIDTH, height=HEIGHT + 60)
    captions = [say("caption.budget")]
    captions += [say("caption.budget_folds")] if any(len(own[name]) > 1 for name in present) else []
    return Drawing(styled(chart, say("chart.budget"), [place, *captions]), tuple(captions), values)
