"""The sentence that stands first in the report: which technique has the highest accuracy, and whom that beats."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tuneoff.report.formats import listed, mean_spread
from tuneoff.report.places import at_chance, task_names
from tuneoff.report.sentences import guessing
from tuneoff.report.tables import Results, model_label, several_models
from tuneoff.report.words import WORDS, Words

MOST_NAMED = 4
Row = Mapping[str, Any]


def conclusion(results: Results, say: Words = WORDS) -> list[str]:
    """Return a sentence for each model with two finished techniques or more, of several tasks for each of these.

    Of tasks on which nothing beats guessing that is all that is said: no order of techniques means anything there. Of
    more than MOST_NAMED others it is counted on how many which technique is the most accurate, and beats all others.
    """
    chance, tasks = at_chance(results), task_names(results)
    found = []
    for model in results["models"]:
        outcomes = {
            one["task"]: outcome
            for one in results["comparisons"]
            if one["model"] == model["name"] and one["task"] not in chance and (outcome := _outcome(one, results))
        }
        said = _over_tasks(outcomes, say) if len(tasks) > 1 else [_sentence(one, say) for one in outcomes.values()]
        if several_models(results):
            said = [say("pairs.model", model=model_label(model), text=text) for text in said]
        found += said
    return [*found, *guessing(results, say)]


@dataclass(frozen=True)
class _Outcome:
    """The most accurate technique on a task, its accuracy, whom it beats, and from whom it is not told apart."""

    best: str
    accuracy: Row
    beaten: Sequence[str]
    left: Sequence[str]


def _outcome(comparison: Row, results: Results) -> _Outcome | None:
    place = (comparison["model"], comparison["task"])
    rows = [row for row in results["techniques"] if (row["model"], row["task"]) == place]
    known = [row for row in rows if row["metrics"]["accuracy"]["mean"] is not None]
    if len(known) < 2 or not comparison["pairs"]:
        return None
    best = max(known, key=lambda row: float(row["metrics"]["accuracy"]["mean"]))
    name = best["technique"]
    others = [
        (pair["b"] if pair["a"] == name else pair["a"], pair["kind"])
        for pair in comparison["pairs"]
        if name in (pair["a"], pair["b"])
    ]
    beaten = [other for other, kind in others if kind == "better"]
    left = [other for other, kind in others if kind != "better"]
    return _Outcome(name, best["metrics"]["accuracy"], beaten, left)


def _sentence(found: _Outcome, say: Words) -> str:
    values = {"technique": found.best, "value": mean_spread(found.accuracy["mean"], found.accuracy["sd"], say)}
    if not found.left:
        return say("conclusion.all", **values)
    if not found.beaten:
        return say("conclusion.none", others=_named(found.left, say), **values)
    return say("conclusion.some", beaten=_named(found.beaten, say), others=_named(found.left, say), **values)


def _over_tasks(outcomes: Mapping[str, _Outcome], say: Words) -> list[str]:
    if len(outcomes) <= MOST_NAMED:
        return [say("pairs.model", model=task, text=_sentence(one, say)) for task, one in outcomes.items()]
    counts = Counter(one.best for one in outcomes.values())
    alone = Counter(one.best for one in outcomes.values() if not one.left)
    parts = [
        say("conclusion.count.alone" if alone[name] else "conclusion.count", technique=name, n=n, alone=alone[name])
        for name, n in counts.most_common()
    ]
    return [say("conclusion.tasks", tasks=len(outcomes), counts=listed(parts, say))]


def _named(names: Sequence[str], say: Words) -> str:
    """A few names in full, of more their number."""
    if len(names) > MOST_NAMED:
        return say("conclusion.many", n=len(names))
    return listed(names, say)
