"""The sentence that stands first in the report: which technique has the highest accuracy, and whom that beats."""

from collections.abc import Mapping, Sequence
from typing import Any

from tuneoff.report.formats import listed, mean_spread
from tuneoff.report.places import several_tasks
from tuneoff.report.sentences import guessing
from tuneoff.report.tables import Results, model_label, several_models
from tuneoff.report.words import WORDS, Words

MOST_NAMED = 4
Row = Mapping[str, Any]


def conclusion(results: Results, say: Words = WORDS) -> list[str]:
    """Return a sentence for each model with two finished techniques or more; none of several tasks: the ranks tell.

    Where nothing beats guessing that is all that is said, also of some of the tasks: no order of such techniques means
    anything.
    """
    if (said := guessing(results, say)) or several_tasks(results):
        return said
    found = []
    labels = {model["name"]: model_label(model) for model in results["models"]}
    for comparison in results["comparisons"]:
        place = (comparison["model"], comparison["task"])
        rows = [row for row in results["techniques"] if (row["model"], row["task"]) == place]
        sentence = _of_place(rows, comparison["pairs"], say)
        if sentence and several_models(results):
            sentence = say("pairs.model", model=labels[comparison["model"]], text=sentence)
        found += [sentence] if sentence else []
    return found


def _of_place(rows: Sequence[Row], pairs: Sequence[Row], say: Words) -> str | None:
    known = [row for row in rows if row["metrics"]["accuracy"]["mean"] is not None]
    if len(known) < 2 or not pairs:
        return None
    best = max(known, key=lambda row: float(row["metrics"]["accuracy"]["mean"]))
    name, accuracy = best["technique"], best["metrics"]["accuracy"]
    others = [
        (pair["b"] if pair["a"] == name else pair["a"], pair["kind"])
        for pair in pairs
        if name in (pair["a"], pair["b"])
    ]
    beaten = [other for other, kind in others if kind == "better"]
    left = [other for other, kind in others if kind != "better"]
    values = {"technique": name, "value": mean_spread(accuracy["mean"], accuracy["sd"], say)}
    if not left:
        return say("conclusion.all", **values)
    if not beaten:
        return say("conclusion.none", others=_named(left, say), **values)
    return say("conclusion.some", beaten=_named(beaten, say), others=_named(left, say), **values)


def _named(names: Sequence[str], say: Words) -> str:
    """A few names in full, of more their number."""
    if len(names) > MOST_NAMED:
        return say("conclusion.many", n=len(names))
    return listed(names, say)
