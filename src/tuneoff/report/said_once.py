"""What each technique had with each model on each task, said once where it is the same everywhere."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

from tuneoff.report.formats import listed
from tuneoff.report.places import task_label, task_names
from tuneoff.report.tables import Results, model_label
from tuneoff.report.words import WORDS, Words

Row = Mapping[str, Any]
Place = tuple[str, str]


def by_place(results: Results, value: Callable[[Row], Any]) -> list[tuple[list[Place], dict[str, Any]]]:
    """Return what a value of the techniques' rows is, by technique, for groups of (model, task) that have it alike.

    The first group, without places, has the techniques whose value is the same wherever it is known; one that is known
    nowhere is in none. A group that would be empty is left out.
    """
    found: dict[str, list[tuple[Any, list[Place]]]] = {}
    for row in results["techniques"]:
        if (one := value(row)) is None:
            continue
        kinds = found.setdefault(row["technique"], [])
        places = next((places for known, places in kinds if known == one), None)
        if places is None:
            kinds.append((one, places := []))
        places.append((row["model"], row["task"]))
    same = {name: kinds[0][0] for name, kinds in found.items() if len(kinds) == 1}
    apart: dict[tuple[Place, ...], dict[str, Any]] = {}
    for name, kinds in found.items():
        for one, places in kinds if len(kinds) > 1 else ():
            apart.setdefault(tuple(places), {})[name] = one
    return [*([([], same)] if same else []), *((list(places), values) for places, values in apart.items())]


def said_by_place(
    results: Results, value: Callable[[Row], Any], one: Callable[[str, Any], str], say: Words = WORDS
) -> str:
    """Return what `by_place` finds as text, '3 (a) and 4 (b); 5 (c) on x', each value as `one` writes it; '' for none.

    `one` gets a technique's name and its value.
    """
    parts = []
    for places, values in by_place(results, value):
        text = listed([one(name, known) for name, known in values.items()], say)
        parts.append(say("methods.at", values=text, place=_named(results, places, say)) if places else text)
    return "; ".join(parts)


def _named(results: Results, places: Sequence[Place], say: Words) -> str:
    """Name models, tasks or both: what not all of the study's places have in common."""
    models, tasks = ([*dict.fromkeys(names)] for names in zip(*places, strict=True))
    if set(product(models, tasks)) == set(places):
        return _of(results, models, tasks, say)
    return listed([_of(results, [model], [task], say) for model, task in places], say)


def _of(results: Results, models: Sequence[str], tasks: Sequence[str], say: Words) -> str:
    parts = []
    if len(models) < len(results["models"]):
        labels = [model_label(model) for model in results["models"] if model["name"] in models]
        parts.append(say("at.model" if len(labels) == 1 else "at.models", models=listed(labels, say)))
    if len(tasks) < len(task_names(results)):
        own = {task["name"]: task_label(task, say) for task in results["tasks"] if task["name"] in tasks}
        parts.append(say("at.task" if len(own) == 1 else "at.tasks", tasks=listed(list(own.values()), say)))
    return say("at.both", models=parts[0], tasks=parts[1]) if len(parts) > 1 else "".join(parts)
