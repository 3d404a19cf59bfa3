"""Which tasks of a study share test texts, so that they are no independent observations of its techniques."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from tuneoff.evidence.task_files import kept_rows
from tuneoff.store import Store

Row = Mapping[str, Any]
NAMED_FILES = ("files ", "the benchmark's own files")
"""What the sources begin with that are but names of files: `train.csv` of two folders is not one data set."""


def shared_texts(store: Store, tasks: Sequence[Row]) -> list[list[str]]:
    """Return the sets of two or more tasks that share texts with one another, directly or by way of a third.

    `tasks` are those of results.json. Two share texts where a test row has the same texts, or where they come from one
    data set (of the hub, or packaged) and have rows of the same groups, as a text and its translation. Groups of files
    are not compared, since "1" of one folder and "1" of another need have nothing in common. In run directories that
    keep no marks of all texts, the few examples of the tasks' descriptions are compared. Raises StoreError for an
    unreadable file.
    """
    own = {task["name"]: _marks(store, task) for task in tasks}
    joined: dict[str, set[str]] = {name: {name} for name in own}
    for one, other in combinations(own, 2):
        if own[one] & own[other]:
            whole = joined[one] | joined[other]
            joined |= dict.fromkeys(whole, whole)
    sets = {id(names): names for names in joined.values() if len(names) > 1}
    return [[name for name in own if name in names] for names in sets.values()]


def _marks(store: Store, task: Row) -> set[object]:
    """What two tasks have in common if they share texts."""
    found: set[object] = {tuple(one["texts"].values()) for one in task.get("examples") or () if "texts" in one}
    kept = kept_rows(store, task["name"])
    if kept is not None:
        found |= set(kept.texts or ())
        if task["source"] and not task["source"].startswith(NAMED_FILES):
            found |= {(task["source"], group) for group in kept.groups or ()}
    return found
