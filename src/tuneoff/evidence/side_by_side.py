"""Several studies beside each other: techniques on the same task, settings that differ, pairs on the same examples."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tuneoff.evidence.answers import Answers, answers
from tuneoff.evidence.comparisons import compare_techniques
from tuneoff.evidence.results import build_results
from tuneoff.store import Store

Row = Mapping[str, Any]
Entrant = tuple[str, str, str]  # study, model, technique


@dataclass(frozen=True)
class ReadStudy:
    """A study of a comparison: its name among the others, its run directory, its results and its answers."""

    name: str
    store: Store
    results: Row
    answers: Mapping[tuple[str, str, str], Answers]


@dataclass(frozen=True)
class SameTask:
    """The rows of one task over the studies, and what its test sets allow.

    `rows` are those of the results' `techniques`, each with `study` and with `entry`, its name among all: one for a
    technique that answered alike in several studies. `comparisons` hold the pairs of each set of studies whose test
    rows are the same, and as `joined` such entries; `alone` names those whose test rows no other study has.
    """

    name: str
    label: str
    rows: Sequence[Row]
    comparisons: Sequence[Row]
    alone: Sequence[str]


def read_studies(stores: Sequence[Store]) -> list[ReadStudy]:
    """Read run directories; each is named after its folder. Raises StoreError for one that cannot be read."""
    names = _names([store.root.resolve().name for store in stores])
    found = []
    for name, store in zip(names, stores, strict=True):
        results = build_results(store)
        found.append(ReadStudy(name, store, results, answers(store, results["runs"])))
    return found


def _names(names: Sequence[str]) -> list[str]:
    """The names, with the first number that is free where several are the same."""
    found: list[str] = []
    for name in names:
        free, number = name, 1
        while free in found or (number > 1 and free in names):
            number += 1
            free = f"{name}-{number}"
        found.append(free)
    return found


def same_tasks(studies: Sequence[ReadStudy]) -> list[SameTask]:
    """Return the tasks of all studies, in the order in which they come."""
    names = dict.fromkeys(task["name"] for study in studies for task in study.results["tasks"])
    return [_task(name, studies) for name in names]


def _task(name: str, studies: Sequence[ReadStudy]) -> SameTask:
    own = [study for study in studies if any(task["name"] == name for task in study.results["tasks"])]
    several = len({model["name"] for study in own for model in study.results["models"]}) > 1
    by_print: dict[str, list[ReadStudy]] = {}
    for study in own:
        by_print.setdefault(_fingerprint(study, name), []).append(study)
    entries: dict[Entrant, str] = {}
    for group in by_print.values():
        entries |= _entries(name, group, several)
    rows = [
        {**row, "study": study.name, "entry": entries[study.name, row["model"], row["technique"]]}
        for study in own
        for row in study.results["techniques"]
        if row["task"] == name
    ]
    label = next(str(task["label"] or name) for task in own[0].results["tasks"] if task["name"] == name)
    return SameTask(
        name=name,
        label=label,
        rows=rows,
        comparisons=[_compared(name, group, entries) for group in by_print.values() if len(group) > 1],
        alone=[study.name for group in by_print.values() if len(group) == 1 for study in group],
    )


def _entries(name: str, studies: Sequence[ReadStudy], several: bool) -> dict[Entrant, str]:
    """The name of each study's technique among those of studies with the same test rows.

    Runs of the same technique with the same answers are one: their pairs say nothing, and would count in Holm's family.
    """
    alike: list[list[Entrant]] = []
    for study in studies:
        for row in study.results["techniques"]:
            if row["task"] == name:
                entrant = (study.name, row["model"], row["technique"])
                group = next((one for one in alike if _same(name, studies, one[0], entrant)), None)
                if group is None:
                    alike.append([entrant])
                else:
                    group.append(entrant)
    named: dict[Entrant, str] = {}
    for group in alike:
        _, model, technique = group[0]
        where = ", ".join(study for study, _, _ in group)
        named |= dict.fromkeys(group, f"{where}: {technique} ({model})" if several else f"{where}: {technique}")
    return named


def _same(name: str, studies: Sequence[ReadStudy], one: Entrant, other: Entrant) -> bool:
    """Whether a technique was trained in two studies with the same seeds, and gave the same answers."""
    a, b = (
        next(study.answers.get((model, name, technique)) for study in studies if study.name == of)
        for of, model, technique in (one, other)
    )
    if one[1:] != other[1:] or a is None or b is None or a.given is None or b.given is None or a.seeds != b.seeds:
        return False
    return np.array_equal(a.examples, b.examples) and np.array_equal(a.given, b.given)


def _fingerprint(study: ReadStudy, name: str) -> str:
    """What tells test sets apart; of data that are not known, the study itself."""
    task = next(task for task in study.results["tasks"] if task["name"] == name)
    return str(task["test_fingerprint"] or task["fingerprint"] or study.store.root.resolve())


def _compared(name: str, studies: Sequence[ReadStudy], entries: Mapping[Entrant, str]) -> Row:
    """All pairs of the techniques of studies with the same test rows, as one family."""
    found: dict[str, Answers] = {}
    joined: list[str] = []
    for study in studies:
        for (model, task, technique), one in study.answers.items():
            if task == name:
                entry = entries[study.name, model, technique]
                joined += [entry] if entry in found and entry not in joined else []
                found.setdefault(entry, one)
    about = {"model": "", "task": name, "studies": [study.name for study in studies], "joined": joined}
    return {**about, **compare_techniques(found)}


def differing_settings(studies: Sequence[ReadStudy]) -> list[tuple[str, list[Any]]]:
    """Return what was asked otherwise in some study: its path in the study file, and each study's value.

    A value is None where nothing was asked; of a task that not all studies have it is a mapping of all that was asked.
    """
    asked = [_asked(study) for study in studies]
    shared = set.intersection(*(set(one["tasks"]) for one in asked))
    flat = []
    for one in asked:
        alone = {f"tasks.{name}": dict(_flattened(task)) for name, task in one["tasks"].items() if name not in shared}
        both = {**one, "tasks": {name: task for name, task in one["tasks"].items() if name in shared}}
        flat.append({**dict(_flattened(both)), **alone})
    names = dict.fromkeys(name for one in flat for name in one)
    rows = [(name, [one.get(name) for one in flat]) for name in names]
    return [(name, values) for name, values in rows if any(value != values[0] for value in values)]


def _asked(study: ReadStudy) -> Row:
    asked = study.results["study"]
    settings = {row["name"]: row["settings"] for row in asked["techniques"]}
    models = {model["name"]: model for model in study.results["models"]}
    known = {name: {key: model.get(key) for key in ("pooling", "fingerprint")} for name, model in models.items()}
    tasks = dict(zip(dict.fromkeys(task["name"] for task in study.results["tasks"]), asked["tasks"], strict=True))
    return {"protocol": asked["protocol"], "tasks": tasks, "models": known, "techniques": settings}


def _flattened(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flattened(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and any(isinstance(inner, Mapping) for inner in value):
        for number, inner in enumerate(value, start=1):
            yield from _flattened(inner, f"{path}.{number}")
    elif value is not None:
        yield path, value
