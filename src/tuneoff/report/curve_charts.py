"""Charts of histories: each technique's figure as in the paper, and all techniques over steps and over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tuneoff.report.curve_axes import instant, metric_axis, uneven, x_axis
from tuneoff.report.curves import METRICS, loss_limit, seed_mean, thin
from tuneoff.report.references import Reference, reference_rules
from tuneoff.report.style import (
    EVALUATION,
    GREY,
    HEIGHT,
    TEXT,
    TRAINING,
    WIDTH,
    legend_columns,
    styled,
    technique_styles,
)
from tuneoff.report.words import Words

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

MOST_MARKED = 30
MOST_LIGHT = 6


@dataclass(frozen=True)
class Drawing:
    """A chart, the sentences that explain it, and the numbers that it shows, a row a mark (empty: no CSV)."""

    chart: "alt.TopLevelMixin"
    captions: tuple[str, ...]
    data: Sequence[Mapping[str, Any]] = ()


def technique_drawing(frame: "pd.DataFrame", technique: str, place: str, split: str, say: Words) -> Drawing:
    """Return the paper's figure: training loss (thin) and evaluation loss (thick) over steps, below it accuracy.

    `frame` holds the technique's rows of `load_curves`, not empty; `place` says which model and task.
    """
    import altair as alt

    training, width = thin(frame[frame["series"] == "training"], ["series", "done", "stage", "seed"])
    evaluation = frame[frame["series"] == "evaluation"]
    rows = _concat([training, evaluation])
    several = frame["seed"].nunique() > 1
    limit = loss_limit(frame["loss"])
    captions = [say("caption.technique", split=split)]
    captions += [say("caption.seeds")] if several else []
    captions += [say("caption.binned", width=width)] if width > 1 else []
    captions += [say("caption.cut", limit=say.number(f"{limit:.3g}"))] if limit is not None else []
    starts = (
        frame[(frame["stage"] > 0)]
        .groupby("stage", as_index=False)
        .agg(step=("step", "min"), name=("stage_name", "first"))
    )
    captions += [say("caption.stage")] if len(starts) else []
    captions += [say("caption.failed")] if not frame["done"].all() else []
    last = float(frame["step"].max()) or 1.0
    labels = {name: say(f"series.{name}", split=split) for name in ("training", "evaluation")}
    rows = rows.assign(label=rows["series"].map(labels))
    panels = []
    for metric in METRICS:
        x = alt.X("step", type="quantitative", title=say("axis.steps") if metric == METRICS[-1] else None)
        x = x.scale(domain=[0, last], nice=False).axis(format=",d", tickCount=6, tickMinStep=1)
        y = metric_axis(rows, metric, limit, say)
        color = alt.Color("label", type="nominal", title=None).scale(
            domain=list(labels.values()), range=[TRAINING, EVALUATION]
        )
        color = color.legend(orient="top", direction="horizontal", symbolType="stroke", symbolStrokeWidth=3)
        layers = _series_layers(rows, metric, several, {"x": x, "y": y, "color": color})
        panels.append(
            alt.layer(*layers, *_boundaries(starts, say, metric == METRICS[0])).properties(width=WIDTH, height=HEIGHT)
        )
    title = say("chart.technique", technique=technique)
    chart = styled(alt.vconcat(*panels, spacing=14), title, [place, *captions])
    return Drawing(chart, tuple(captions), _records(rows, ["series", "stage", "seed", "step", *METRICS]))


def _series_layers(rows: "pd.DataFrame", metric: str, several: bool, encoding: dict[str, Any]) -> list["alt.Chart"]:
    """Light lines for seeds and a full one for their mean; the seed's own line is the full one where it is alone."""
    means = seed_mean(rows, ["label", "series", "stage"]) if several else rows
    layers = []
    for series, thick, light in (("training", 1.0, 0.2), ("evaluation", 2.6, 0.35)):
        if several:
            own = rows[rows["series"] == series]
            # Without a mean (no seed is done) the seeds are all there is to see.
            opacity = light if len(means) else 0.7
            layers.append(_lines(own, metric, thick / 2, opacity, encoding, ["stage", "seed"]))
        chosen = means[means["series"] == series]
        strong = 0.75 if series == "training" else 1.0
        layers.append(_lines(chosen, metric, thick, strong, encoding, ["stage"], points=series == "evaluation"))
    return layers


def joint_drawing(
    frame: "pd.DataFrame",
    techniques: Sequence[str],
    axis: Literal["steps", "seconds"],
    place: str,
    split: str,
    say: Words,
    lines: Sequence[Reference] = (),
) -> Drawing:
    """Return accuracy and loss on the watched split for all techniques, over steps or over seconds.

    `frame` holds evaluation rows of `load_curves` of one model, not empty; `techniques` orders colours and legend;
    `lines` stand for chance and baselines, which are known of test alone.
    """
    import altair as alt

    styles = technique_styles(techniques)
    column = "step" if axis == "steps" else "seconds"
    rows = _shared_once(frame[frame[column].notna()])
    several = rows["seed"].nunique() > 1
    present = [name for name in techniques if name in set(rows["technique"])]
    means = _concat([_technique_mean(rows[rows["technique"] == name]) for name in present])
    light = several and len(present) <= MOST_LIGHT
    limit = loss_limit(rows["loss"])
    log = axis == "seconds" and uneven(means)
    if log:
        rows, means = rows[rows["seconds"] > 0], means[means["seconds"] > 0]
    at_once = instant(means, log) if axis == "seconds" else []
    last = means.groupby("technique").tail(1)
    # Its evaluations stand above each other: the last of them tells more than a vertical stroke.
    lasting, points = means[~means["technique"].isin(at_once)], last[last["technique"].isin(at_once)]
    captions = [say("caption.curves", split=split)]
    captions += [say("caption.instant")] if at_once else []
    captions += [say("caption.preparation")] if axis == "seconds" else []
    captions += [say("caption.seeds")] if light else []
    captions += [say("caption.cut", limit=say.number(f"{limit:.3g}"))] if limit is not None else []
    starts = means[(means["stage"] > 0) & (means["begins"])]
    captions += [say("caption.diamond"), say("caption.shared")] if len(starts) else []
    captions += [say("caption.failed")] if not rows["done"].all() else []
    captions += [one.caption for one in lines]
    color = alt.Color("technique", type="nominal", title=None, sort=present)
    color = color.scale(domain=present, range=[styles[name][0] for name in present])
    dash = alt.StrokeDash("technique", type="nominal", title=None, sort=present)
    dash = dash.scale(domain=present, range=[list(styles[name][1]) for name in present])
    legend: Any = {
        "orient": "bottom",
        "symbolType": "stroke",
        "symbolStrokeWidth": 2.5,
        "columns": legend_columns(present),
    }
    panels = []
    for metric in reversed(METRICS):
        encoding = {
            "x": x_axis(means, axis, log, metric == METRICS[0], say),
            "y": metric_axis(rows, metric, limit, say, [one.accuracy for one in lines]),
            "color": color.legend(**legend),
            "strokeDash": dash.legend(**legend),
        }
        layers = reference_rules(lines, "y", encoding["y"]) if metric == "accuracy" else []
        layers += [_lines(rows, metric, 0.8, 0.3, encoding, ["stage", "seed"])] if light else []
        layers.append(_lines(lasting, metric, 2.0, 1.0, encoding, ["stage"]))
        if at_once:
            layers.append(_marks(points, metric, encoding, "circle"))
        if len(starts):
            layers.append(_marks(starts, metric, encoding, "diamond"))
        panels.append(alt.layer(*layers).properties(width=WIDTH, height=HEIGHT + 30))
    chart = styled(alt.vconcat(*panels, spacing=14), say(f"chart.{axis}"), [place, *captions])
    return Drawing(chart, tuple(captions), _records(means, ["technique", "stage", column, *METRICS]))


def _shared_once(rows: "pd.DataFrame") -> "pd.DataFrame":
    """Return the rows with each stage once: for the technique whose own it is, else for the first that uses it."""
    techniques = set(rows["technique"])
    first = rows.groupby("chain")["technique"].transform("first")
    own = rows["chain"].where(rows["chain"].isin(techniques), first)
    return rows[rows["technique"] == own]


def _technique_mean(rows: "pd.DataFrame") -> "pd.DataFrame":
    """The mean over done seeds, or the seeds themselves where none is done; `begins` marks a stage's first row."""
    means = seed_mean(rows, ["technique", "stage"]) if rows["done"].any() else rows
    return means.assign(begins=means["step"] == means.groupby("stage")["step"].transform("min"))


def _lines(
    rows: "pd.DataFrame",
    metric: str,
    thickness: float,
    opacity: float,
    encoding: dict[str, Any],
    detail: Sequence[str],
    points: bool = False,
) -> "alt.Chart":
    """Return a line for each colour and each value of the detail columns, with points where they are few."""
    import altair as alt

    color = encoding["color"].to_dict()["field"]
    x = encoding["x"].to_dict()["field"]
    kept = rows[rows[metric].notna()]
    few = points and kept.groupby(list(detail)).size().max() <= MOST_MARKED if len(kept) else False
    point: Any = alt.OverlayMarkDef(size=28) if few else False
    chart = alt.Chart(_inline(kept, [x, metric, color, *detail]))
    # Clipping and group opacity make the conversion to PNG slow, so they are used where they are needed.
    clip = bool(len(kept)) and bool(kept[metric].max() > encoding["y"].to_dict()["scale"]["domain"][1])
    look: Any = {"strokeWidth": thickness, "strokeOpacity": opacity, "strokeJoin": "round", "clip": clip}
    marks = chart.mark_line(**look, point=point)
    lines: alt.Chart = marks.encode(**encoding, detail=[alt.Detail(name, type="nominal") for name in detail])
    return lines


def _boundaries(starts: "pd.DataFrame", say: Words, named: bool) -> list["alt.Chart"]:
    import altair as alt

    if not len(starts):
        return []
    texts = [say("chart.stage", stage=name) for name in starts["name"]]
    chart = alt.Chart(_inline(starts.assign(text=texts), ["step", "text"]))
    rule = chart.mark_rule(strokeDash=[5, 4], color=GREY).encode(x=alt.X("step", type="quantitative"))
    if not named:
        return [rule]
    text = chart.mark_text(align="left", baseline="bottom", dx=0, dy=-3, color=GREY, fontSize=TEXT)
    return [
        rule,
        text.encode(x=alt.X("step", type="quantitative"), y=alt.value(0), text=alt.Text("text", type="nominal")),
    ]


def _marks(rows: "pd.DataFrame", metric: str, encoding: dict[str, Any], shape: str) -> "alt.Chart":
    import altair as alt

    x = encoding["x"].to_dict()["field"]
    chart = alt.Chart(_inline(rows[rows[metric].notna()], [x, metric, "technique"]))
    marks = chart.mark_point(shape=shape, size=70, filled=True, opacity=1, clip=True)
    points: alt.Chart = marks.encode(x=encoding["x"], y=encoding["y"], color=encoding["color"])
    return points


def _inline(rows: "pd.DataFrame", columns: Sequence[str]) -> "alt.InlineData":
    """Rows inside the chart itself, whatever their number; six digits are more than a pixel shows.

    As CSV they are one string to altair, which would otherwise check each of them against its schema.
    """
    import altair as alt

    text = rows[list(dict.fromkeys(columns))].to_csv(index=False, float_format="%.6g")
    return alt.InlineData(values=text, format=alt.CsvDataFormat(type="csv"))


def _records(rows: "pd.DataFrame", columns: Sequence[str]) -> list[Mapping[str, Any]]:
    """What a chart shows as rows for CSV, numbers to six digits as they are drawn; what is unknown is empty."""
    known = rows[[name for name in columns if name in rows]]
    numbers = known.select_dtypes("float").columns
    known = known.assign(**{name: [float(f"{value:.6g}") for value in known[name]] for name in numbers}).astype(object)
    return [
        {str(name): value for name, value in row.items()} for row in known.where(known.notna(), None).to_dict("records")
    ]


def _concat(frames: Sequence["pd.DataFrame"]) -> "pd.DataFrame":
    import pandas as pd

    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else frames[0]
