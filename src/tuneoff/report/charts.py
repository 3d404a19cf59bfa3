"""The figures of a study: which there are, under which names, and what stands in for one that cannot be drawn."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from tuneoff.errors import StoreError
from tuneoff.report.budget_charts import budget_drawing
from tuneoff.report.curve_charts import Drawing, joint_drawing, technique_drawing
from tuneoff.report.pair_charts import ranks_drawing, superiority_drawing
from tuneoff.report.places import of_task, several_tasks, task_names
from tuneoff.report.point_charts import COSTS, point_drawing
from tuneoff.report.rank_charts import over_tasks_drawing
from tuneoff.report.references import references
from tuneoff.report.table import rows_csv
from tuneoff.report.tables import model_label, several_models
from tuneoff.report.words import WORDS, Words

if TYPE_CHECKING:
    import altair as alt
    import pandas as pd

JOINT = ("ranks", "superiority", "steps", "seconds", "time", "parameters", "memory", "budget")
TASKS = "tasks"
Results = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """A figure: its name (also of its files), title, captions and numbers; `skipped` says why there is no chart.

    `task` is None for a figure over all tasks.
    """

    name: str
    title: str
    technique: str | None
    model: str
    chart: "alt.TopLevelMixin | None"
    captions: tuple[str, ...] = ()
    skipped: str | None = None
    data: Sequence[Mapping[str, Any]] = ()
    task: str | None = None

    @cached_property
    def csv(self) -> str | None:
        """The numbers that the figure shows as CSV; None where it brings none."""
        return rows_csv(self.data) if self.data else None


def figure_names(results: Results) -> dict[str, tuple[str, str]]:
    """Return a study's figures by name: for each its model, and the technique or the one of JOINT that it shows.

    With several models each has figures of its own, named '<model>.<name>'; with several tasks '<task>.<name>', or
    '<model>.<task>.<name>', and first those of all tasks (`TASKS`). A technique that has the name of a joint figure has
    its own under '<name>-technique'.
    """
    return {name: (model, shown) for name, (model, _, shown) in _known(results).items()}


def _known(results: Results) -> dict[str, tuple[str, str | None, str]]:
    """Return a study's figures by name: model, task (None: all of several), and what it shows."""
    techniques = [technique["name"] for technique in results["study"]["techniques"]]
    own = {f"{name}-technique" if name in JOINT else name: name for name in techniques}
    models = [entry["name"] for entry in results["models"]]
    found: dict[str, tuple[str, str | None, str]] = {}
    for model in models if several_tasks(results) else ():
        found[f"{model}.{TASKS}" if several_models(results) else TASKS] = model, None, TASKS
    for model in models:
        for task in task_names(results):
            place = [*([model] if several_models(results) else []), *([task] if several_tasks(results) else [])]
            for name, shown in {**own, **{kind: kind for kind in JOINT}}.items():
                found[".".join([*place, name])] = model, task, shown
    return found


def figures(results: Results, curves: "pd.DataFrame", say: Words = WORDS) -> Iterator[Figure]:
    """Yield all figures of a study in their order; `curves` comes from `load_curves`."""
    for name in figure_names(results):
        yield make_figure(results, curves, name, say)


def make_figure(results: Results, curves: "pd.DataFrame", name: str, say: Words = WORDS) -> Figure:
    """Return a figure by its name; raises StoreError with all names for one that there is not."""
    known = _known(results)
    if name not in known:
        raise StoreError(f"no figure '{name}' in this study; there are: {', '.join(known)}")
    model, task, kind = known[name]
    if task is None:
        return _over_tasks(name, results, model, say)
    if several_tasks(results):
        results, curves = of_task(results, task), curves[curves["task"] == task]
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
        return Figure(name, title, technique, model, None, skipped=skipped, task=task)
    return Figure(name, title, technique, model, drawing.chart, drawing.captions, data=drawing.data, task=task)


def _over_tasks(name: str, results: Results, model: str, say: Words) -> Figure:
    """Return the figure of mean ranks over several tasks."""
    title = say(f"chart.{TASKS}")
    ranked = next((row for row in results["ranks"] if row["model"] == model), None)
    if ranked is None:
        return Figure(name, title, None, model, None, skipped=say(f"skipped.{TASKS}"))
    techniques = [technique["name"] for technique in results["study"]["techniques"]]
    described = next(entry for entry in results["models"] if entry["name"] == model)
    drawing = over_tasks_drawing(ranked, techniques, model_label(described), say)
    data = [{key: row[key] for key in ("technique", "mean_rank", "mean_accuracy")} for row in ranked["techniques"]]
    return Figure(name, title, None, model, drawing.chart, drawing.captions, data=data)


def _joint(kind: str, results: Results, model: str, curves: "pd.DataFrame", place: str, say: Words) -> Drawing | None:
    techniques = [technique["name"] for technique in results["study"]["techniques"]]
    own = {part: [row for row in results[part] if row["model"] == model] for part in ("runs", "techniques", "tuning")}
    lines = references(next(entry for entry in results["tasks"] if entry["model"] == model), say)
    if kind in ("ranks", "superiority"):
        comparison = next(one for one in results["comparisons"] if one["model"] == model)
        if kind == "ranks":
            return ranks_drawing(own["techniques"], comparison, techniques, place, say, lines)
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
    # Baselines answer test; on dev they would be lines of another set.
    shown = lines if split == "test" else []
    return joint_drawing(rows, techniques, axis, place, split, say, shown) if _drawable(rows) else None


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
