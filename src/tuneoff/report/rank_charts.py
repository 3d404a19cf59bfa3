"""The chart of mean ranks over tasks: who is joined by a bar, and how long the critical difference is."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuneoff.report.curve_charts import Drawing
from tuneoff.report.groups import maximal_groups, telling_most
from tuneoff.report.pair_charts import MOST_BARS, ROW, SPACING, apart, bars, bars_width
from tuneoff.report.style import GREY, LABELS, TEXT, plot_width, styled, technique_styles
from tuneoff.report.words import Words

if TYPE_CHECKING:
    import altair as alt

RULER = 26
Row = Mapping[str, Any]


def over_tasks_drawing(ranked: Row, techniques: Sequence[str], place: str, say: Words) -> Drawing:
    """Return techniques by mean rank over the tasks, the best on top; bars join groups of which none is told apart.

    `ranked` is a model's row of `ranks` in the results; `techniques` orders the colours. The critical-difference chart
    of J. Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7 (2006), 1-30, figure 1, but
    that bars go by the pairs' own tests (Wilcoxon, Holm), as Benavoli et al. (2016), JMLR 17(5), 1-10, advise;
    Nemenyi's critical difference is drawn as a ruler where there are enough tasks for any test.
    """
    import altair as alt

    order = ranked["techniques"]
    names = [one["technique"] for one in order]
    few = ranked["smallest_p"] > ranked["level"]
    groups = maximal_groups(len(names), apart(names, ranked))
    shown = telling_most(groups, MOST_BARS)
    height = ROW * len(names)
    y = alt.Y("technique", type="nominal", title=None).scale(type="point", domain=names, padding=0.5)
    width = plot_width(names, bars_width(shown) + SPACING if shown else 0)
    left = _ranks(order, techniques, y, say).properties(width=width, height=height)
    chart: alt.VConcatChart | alt.HConcatChart
    joined = [left, *([bars(shown, names, y).properties(height=height)] if shown else [])]
    chart = alt.hconcat(*joined, spacing=SPACING)
    if not few:
        ruler = _ruler(ranked["critical_difference"], len(names), say).properties(width=width, height=RULER)
        chart = alt.vconcat(ruler, chart, spacing=4)
    captions = _captions(ranked, few, bool(groups), say)
    return Drawing(styled(chart, say("chart.tasks"), [place, *captions]), tuple(captions))


def _captions(ranked: Row, few: bool, joined: bool, say: Words) -> list[str]:
    tasks, pairs, level = len(ranked["tasks"]), len(ranked["pairs"]), ranked["level"]
    captions = [say("caption.tasks", tasks=tasks)]
    if few:
        return [*captions, say("caption.tasks.few", tasks=tasks, needed=ranked["tasks_needed"])]
    captions.append(say("caption.tasks.bars" if joined else "caption.all_apart", pairs=pairs, level=level))
    return [*captions, say("caption.tasks.cd", level=level)]


def _axis(count: int, **settings: Any) -> dict[str, Any]:
    import altair as alt

    scale = alt.Scale(domain=[0.8, count + 0.2], nice=False, zero=False)
    return {"type": "quantitative", "scale": scale, **settings}


def _ranks(
    order: Sequence[Row], techniques: Sequence[str], y: "alt.Y", say: Words
) -> "alt.LayerChart | alt.FacetChart":
    import altair as alt

    styles = technique_styles(techniques)
    names = [one["technique"] for one in order]
    color = alt.Color("technique", type="nominal", legend=None)
    color = color.scale(domain=names, range=[styles[name][0] for name in names])
    axis = alt.Axis(tickMinStep=1, tickCount=min(len(names), 10), format="d")
    x = _axis(len(names), title=say("axis.rank"), axis=axis)
    shared: dict[str, Any] = {"y": y.axis(labelLimit=LABELS, grid=True, ticks=False, domain=False), "color": color}
    single = [{"technique": one["technique"], "rank": rank} for one in order for rank in one["ranks"]]
    means = [{"technique": one["technique"], "rank": one["mean_rank"]} for one in order]
    small = alt.Chart(alt.InlineData(values=single)).mark_circle(size=28, opacity=0.4)
    large = alt.Chart(alt.InlineData(values=means)).mark_circle(size=110, opacity=1)
    return alt.layer(small.encode(x=alt.X("rank", **x), **shared), large.encode(x=alt.X("rank", **x), **shared))


def _ruler(difference: float, count: int, say: Words) -> "alt.LayerChart | alt.FacetChart":
    import altair as alt

    data = alt.InlineData(
        values=[
            {
                "low": 1.0,
                "high": min(1.0 + difference, count + 0.2),
                "text": say("chart.tasks.cd", value=say.number(f"{difference:.2f}")),
            }
        ]
    )
    x = alt.X("low", **_axis(count, axis=None))
    rule = alt.Chart(data).mark_rule(strokeWidth=2.5, color=GREY).encode(x=x, x2=alt.X2("high"), y=alt.value(RULER - 6))
    text = alt.Chart(data).mark_text(align="left", baseline="bottom", fontSize=TEXT, color=GREY)
    return alt.layer(rule, text.encode(x=x, y=alt.value(RULER - 9), text=alt.Text("text", type="nominal")))
