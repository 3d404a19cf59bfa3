"""Charts of what pairs of techniques tell: who is joined by a bar, and how probably one does better than another."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuneoff.report.curve_charts import Drawing
from tuneoff.report.formats import chance
from tuneoff.report.groups import Group, columns, maximal_groups, telling_most
from tuneoff.report.pair_tables import superiority_kinds
from tuneoff.report.placing import padded
from tuneoff.report.references import Reference, reference_rules
from tuneoff.report.style import DIVERGING, GREY, LABELS, TEXT, plot_width, styled, technique_styles
from tuneoff.report.words import Words

if TYPE_CHECKING:
    import altair as alt

ROW, BAR, CELL = 22, 12, 34
MOST_BARS = 20
SPACING = 8
MOST_TECHNIQUES = 15
BOUNDS = ("low", "high")
Row = Mapping[str, Any]


def ranks_drawing(
    rows: Sequence[Row],
    comparison: Row,
    techniques: Sequence[str],
    place: str,
    say: Words,
    lines: Sequence[Reference] = (),
) -> Drawing | None:
    """Return techniques by accuracy, the highest on top, with intervals; bars join groups of which none is told apart.

    `rows` are `techniques` of the results of one model, `comparison` is its entry of `comparisons`; `techniques`
    orders the colours; `lines` stand for chance and baselines. Each bar is a maximal group without a pair of kind
    `better`; where there are more than MOST_BARS, those that tell most are drawn. None where no pair was compared.

    The critical-difference chart of J. Demšar, Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7
    (2006), 1-30, figure 1, for one task: on the axis are accuracies, not mean ranks, and each pair has its own test, so
    that a group need not be neighbours: dots mark its members.
    """
    import altair as alt

    order = _order(rows)
    if not comparison["pairs"]:
        return None
    names = [row["technique"] for row in order]
    groups = maximal_groups(len(names), apart(names, comparison))
    shown = telling_most(groups, MOST_BARS)
    height = ROW * len(names)
    y = alt.Y("technique", type="nominal", title=None).scale(type="point", domain=names, padding=0.5)
    width = plot_width(names, bars_width(shown) + SPACING if shown else 0)
    left = _intervals(order, techniques, y, say, lines).properties(width=width, height=height)
    charts = [left, *([bars(shown, names, y).properties(height=height)] if shown else [])]
    chart = alt.hconcat(*charts, spacing=SPACING)
    captions = [*_ranks_captions(order, comparison, groups, shown, say), *(one.caption for one in lines)]
    data = [{**value, "bars": _bars_of(place, shown)} for place, value in enumerate(_values(order))]
    return Drawing(styled(chart, say("chart.ranks"), [place, *captions]), tuple(captions), data)


def _bars_of(place: int, groups: Sequence[Group]) -> str:
    """The numbers of the bars that hold a technique, from the left."""
    return " ".join(str(number) for number, group in enumerate(groups, start=1) if place in group)


def _order(rows: Sequence[Row]) -> list[Row]:
    """The techniques that have an accuracy, the highest first."""
    known = [row for row in rows if row["metrics"]["accuracy"]["mean"] is not None]
    return sorted(known, key=lambda row: -row["metrics"]["accuracy"]["mean"])


def apart(names: Sequence[str], comparison: Row) -> set[frozenset[int]]:
    """Return the pairs of kind `better` of a comparison, each as the places of its two techniques in `names`."""
    places = {name: place for place, name in enumerate(names)}
    better = [pair for pair in comparison["pairs"] if pair["kind"] == "better"]
    return {frozenset((places[pair["a"]], places[pair["b"]])) for pair in better}


def _values(order: Sequence[Row]) -> list[dict[str, Any]]:
    """Each technique's accuracy with its interval."""
    values: list[dict[str, Any]] = []
    for row in order:
        bounds = row["accuracy_interval"] or dict.fromkeys(BOUNDS)
        mean = row["metrics"]["accuracy"]["mean"]
        values.append({"technique": row["technique"], "accuracy": mean, **{key: bounds[key] for key in BOUNDS}})
    return values


def _intervals(
    order: Sequence[Row], techniques: Sequence[str], y: "alt.Y", say: Words, lines: Sequence[Reference]
) -> "alt.LayerChart | alt.FacetChart":
    import altair as alt

    values = _values(order)
    known_values = [value[key] for value in values for key in ("accuracy", *BOUNDS) if value[key] is not None]
    domain = padded([*known_values, *(one.accuracy for one in lines)], 0.04)
    scale = alt.Scale(domain=list(domain), nice=False, zero=False)
    axis: dict[str, Any] = {
        "type": "quantitative",
        "title": say("axis.accuracy"),
        "scale": scale,
        "axis": alt.Axis(tickCount=6),
    }
    styles = technique_styles(techniques)
    names = [value["technique"] for value in values]
    color = alt.Color("technique", type="nominal", legend=None).scale(
        domain=names, range=[styles[name][0] for name in names]
    )
    shared: dict[str, Any] = {"y": y.axis(labelLimit=LABELS, grid=True, ticks=False, domain=False), "color": color}
    known = [value for value in values if value["low"] is not None]
    rule = alt.Chart(alt.InlineData(values=known)).mark_rule(strokeWidth=2, opacity=0.7)
    point = alt.Chart(alt.InlineData(values=values)).mark_circle(size=90, opacity=1)
    return alt.layer(
        *reference_rules(lines, "x", alt.X("accuracy", **axis)),
        rule.encode(x=alt.X("low", **axis), x2=alt.X2("high"), **shared),
        point.encode(x=alt.X("accuracy", **axis), **shared),
    )


def bars_width(groups: Sequence[Group]) -> float:
    """Return how wide the bars of these groups are, in pixels."""
    return float(BAR * (max(columns(groups)) + 1))


def bars(groups: Sequence[Group], names: Sequence[str], y: "alt.Y") -> "alt.LayerChart | alt.FacetChart":
    """Return a bar for each group, from its first technique to its last, with a dot at each that it holds."""
    import altair as alt

    values: list[dict[str, Any]] = [
        {"group": number, "column": column, "technique": names[member], "place": member}
        for number, (group, column) in enumerate(zip(groups, columns(groups), strict=True))
        for member in group
    ]
    width = bars_width(groups)
    x = alt.X("column", type="quantitative", axis=None)
    x = x.scale(domain=[-0.5, width / BAR - 0.5], nice=False, zero=False)
    data = alt.Chart(alt.InlineData(values=values))
    y = y.axis(None)
    bar = data.mark_line(strokeWidth=2.5, color=GREY, strokeCap="round")
    order = alt.Order("place", type="quantitative")
    line = bar.encode(x=x, y=y, detail=alt.Detail("group", type="nominal"), order=order)
    dots = data.mark_circle(size=42, color=GREY, opacity=1).encode(x=x, y=y)
    return alt.layer(line, dots).properties(width=width)


def _ranks_captions(
    order: Sequence[Row], comparison: Row, groups: Sequence[Group], shown: Sequence[Group], say: Words
) -> list[str]:
    covers = {row["accuracy_interval"]["covers"] for row in order if row["accuracy_interval"]}
    captions = [say("caption.interval.examples" if "examples" in covers else "caption.interval")]
    pairs = len(comparison["pairs"])
    captions.append(say("caption.bars" if groups else "caption.all_apart", pairs=pairs, level=comparison["level"]))
    if len(shown) < len(groups):
        captions.append(say("caption.bars_cut", shown=len(shown), groups=len(groups)))
    elif groups:
        captions.append(say("caption.no_bar"))
    if comparison["left_out"]:
        captions.append(say("caption.left_out"))
    return captions


def superiority_drawing(rows: Sequence[Row], comparison: Row, place: str, say: Words) -> Drawing | None:
    """Return P(A > B) of each pair as a matrix: A is the row's technique, B the column's, the most accurate first.

    P(A > B) is the probability that A, trained once more, has more right answers than B, trained with the same seed, on
    as many new examples, ties counted half (Bouthillier et al. 2021, Accounting for Variance in Machine Learning
    Benchmarks, MLSys); so P(B > A) is 1 less that. Cells of pairs of kind `better` have a frame and bold numbers. None
    where no pair was compared, or for more than MOST_TECHNIQUES.
    """
    import altair as alt

    names = [row["technique"] for row in _order(rows)]
    if not comparison["pairs"] or len(names) > MOST_TECHNIQUES:
        return None
    values = _cells(comparison, say)
    side = max(CELL, min(2 * CELL, plot_width(names) / len(names))) * len(names)
    axes: dict[str, Any] = {"type": "nominal", "title": None}
    scale = alt.Scale(domain=names, padding=0.04)
    look: dict[str, Any] = {"labelLimit": LABELS, "ticks": False, "domain": False, "grid": False}
    x = alt.X("b", **axes, scale=scale, axis=alt.Axis(orient="bottom", labelAngle=-45, labelAlign="right", **look))
    y = alt.Y("a", **axes, scale=scale, axis=alt.Axis(**look))
    color = alt.Color("superiority", type="quantitative", legend=None)
    color = color.scale(domain=[0, 0.5, 1], range=list(DIVERGING), clamp=True)
    layers: list[alt.Chart] = []
    for apart in (False, True):
        own = alt.Chart(alt.InlineData(values=[value for value in values if value["apart"] == apart]))
        frame: dict[str, Any] = {"stroke": "#000", "strokeWidth": 2} if apart else {}
        layers.append(own.mark_rect(**frame).encode(x=x, y=y, color=color))
        for ink in ("#000", "#fff"):
            text = own.transform_filter(f"datum.ink == '{ink}'")
            marks = text.mark_text(color=ink, fontSize=TEXT, fontWeight="bold" if apart else "normal")
            layers.append(marks.encode(x=x, y=y, text=alt.Text("text", type="nominal")))
    chart = alt.layer(*layers).properties(width=side, height=side)
    captions = [say(f"caption.superiority{kind}") for kind in superiority_kinds(comparison["pairs"])]
    if any(value["apart"] for value in values):
        captions.append(say("caption.framed", pairs=len(comparison["pairs"]), level=comparison["level"]))
    else:
        captions.append(say("caption.none_framed"))
    if comparison["left_out"]:
        captions.append(say("caption.superiority.left_out"))
    data = [{name: value[name] for name in ("a", "b", "superiority", "apart")} for value in values]
    return Drawing(styled(chart, say("chart.superiority"), [place, *captions]), tuple(captions), data)


def _cells(comparison: Row, say: Words) -> list[dict[str, Any]]:
    """Two cells for each pair, one in each triangle."""
    values = []
    for pair in comparison["pairs"]:
        likely = pair["superiority"]
        for a, b, share in ((pair["a"], pair["b"], likely), (pair["b"], pair["a"], 1 - likely)):
            # White on the dark ends of the scale.
            ink = "#fff" if abs(share - 0.5) > 0.3 else "#000"
            apart = pair["kind"] == "better"
            text = chance(share, say)
            values.append({"a": a, "b": b, "superiority": share, "text": text, "apart": apart, "ink": ink})
    return values
