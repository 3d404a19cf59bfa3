"""The figures of a study: which there are, under which names, and what stands in for one that cannot be drawn."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tuneoff.errors import StoreError
from tuneoff.report.budget_charts import budget_drawing
from tuneoff.report.curve_charts import Drawing, joint_drawing, technique_drawing
from tuneoff.report.pair_charts import ranks_drawing, superiority_drawing
from tuneoff.report.point_charts import COSTS, point_drawing
from tuneoff.report.tables import model_label, several_models
from tuneoff.report.words import WORDS, Words

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

JOINT = ("ranks", "superiority", "steps", "seconds", "time", "parameters", "memory", "budget")
Results = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """A figure: its name (also of its files), title and captions; `skipped` says why there is no chart."""

    name: str
    title: str
    technique: str | None
    model: str
    chart: "alt.TopLevelMixin | None"
    captions: tuple[str, ...] = ()
    skipped: str | None = None


def figure_names(results: Results) -> dict[str, tuple[str, str]]:
    """Return a study's figures by name: for each its model, and the technique or the one of JOINT that it shows.

    With several models each has figures of its own, named '<model>.<name>'. A technique that has the name of a joint
    figure has its own under '<name>-technique'.
    """
    techniques = [technique["name"] for technique in results["study"]["techniques"]]
    own = {f"{name}-technique" if name in JOINT else name: name for name in techniques}
    found = {}
    for model in (entry["name"] for entry in results["models"]):
        for name, shown in {**own, **{kind: kind for kind in JOINT}}.items():
            found[f"{model}.{name}" if several_models(results) else name] = (model, shown)
    return found


def figures(results: Results, curves: "pd.DataFrame", say: Words = WORDS) -> Iterator[Figure]:
    """Yield all figures of a study in their order; `curves` comes from `load_curves`."""
    for name in figure_names(results):
        yield make_figure(results, curves, name, say)


def make_figure(results: Results, curves: "pd.DataFrame", name: str, say: Words = WORDS) -> Figure:
    """Return a figure by its name; raises StoreError with all names for one that there is not."""
    known = figure_names(results)
    if name not in known:
        raise StoreError(f"no figure '{name}' in this study; there are: {', '.join(known)}")
    model, kind = known[name]
    own = curves[curves["model"] == model]
    place = _place(results, model, say)
    technique = None if name.rsplit(".", 1)[-1] in JOINT else kind
    drawing: Drawing | None
    if technique:
        title = say("chart.technique", technique=technique)
        rows = own[own["technique"] == technique]
        drawing = technique_drawing(rows, technique, place, _watched(results), say) if _drawable(rows) else None
    else:
        title = say(f"chart.{kind}")
        drawing = _joint(kind, results, model, own, place, say)
    if drawing is None:
        skipped = say("skipped.technique", technique=technique) if technique else _skipped(kind, results, model, say)
        return Figure(name, title, technique, model, None, skipped=skipped)
    return Figure(name, title, technique, model, drawing.chart, drawing.captions)


def _joint(kind: str, results: Results, model: str, curves: "pd.DataFrame", place: str, say: Words) -> Drawing | None:
    techniques = [technique["name"] for technique in results["study"]["techniques"]]
    own = {part: [row for row in results[part] if row["model"] == model] for part in ("runs", "techniques", "tuning")}
    if kind in ("ranks", "superiority"):
        comparison = next(one for one in results["comparisons"] if one["model"] == model)
        if kind == "ranks":
            return ranks_drawing(own["techniques"], comparison, techniques, place, say)
        return superiority_drawing(own["techniques"], comparison, place, say)
    if kind == "budget":
        return budget_drawing(own["tuning"], techniques, place, say)
    if kind in COSTS:
        return point_drawing(own["runs"], own["techniques"], techniques, kind, place, say)
    rows = curves[curves["series"] == "evaluation"]
    axis: Literal["steps", "seconds"] = "seconds" if kind == "seconds" else "steps"
    if axis == "seconds":
        rows = rows[rows["seconds"].notna()]
    split = _watched(results)
    return joint_drawing(rows, techniques, axis, place, split, say) if _drawable(rows) else None


def _skipped(kind: str, results: Results, model: str, say: Words) -> str:
    """Say why there is no such joint figure."""
    if kind == "superiority" and any(one["pairs"] for one in results["comparisons"] if one["model"] == model):
        return say("skipped.superiority.many", techniques=len(results["study"]["techniques"]))
    return say(f"skipped.{kind}")


def _watched(results: Results) -> str:
    return str(results["study"]["protocol"].get("eval_on", "test"))


def _drawable(rows: "pd.DataFrame") -> bool:
    return bool(rows[["loss", "accuracy"]].notna().any(axis=None))


def _place(results: Results, model: str, say: Words) -> str:
    described = next(entry for entry in results["models"] if entry["name"] == model)
    task = next(entry for entry in results["tasks"] if entry["model"] == model)
    seeds = len(results["study"]["seeds"])
    counted = f" · {say('chart.seeds', n=seeds)}"
    return f"{model_label(described)} · {task['label'] or task['name']}{counted}"
