"""The built-in tasks: modules of this package register them when they are imported."""

import importlib
import pkgutil
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tuneoff.study import TaskSpec
from tuneoff.tasks.raw import RawTask


@dataclass(frozen=True)
class About:
    """What is told of a built-in task before its data are read (`tuneoff tasks`).

    `title` is the name shown to readers, `family` the benchmark that it is of, with where that comes from and its
    licence. `texts` are the columns with text, `splits` says in a line what train, test and unlabelled are.
    """

    title: str
    family: str
    texts: tuple[str, ...]
    splits: str


@dataclass(frozen=True)
class Origin:
    """Where a task's rows come from, as a model card says it.

    `hub` is the id of a data set of the hub, None where the rows are files; `languages` are of ISO 639-1, none where
    they are unknown; `licence` is that of the data in words, None where it is unknown.
    """

    hub: str | None = None
    config: str | None = None
    languages: tuple[str, ...] = ()
    licence: str | None = None


@dataclass(frozen=True)
class BuiltIn:
    """A task that is known by name.

    `takes` are the keys of a study's task that it understands, beside `name`, `called`, `limit`, `drop_overlap` and
    `also_test`. `problems` returns what is wrong with their values, a line each. `classes` and `slug` give the class
    names and the folder name without reading data, `origin` where the rows come from. `read` gets the study's folder.

    A task with `further_of` has no rows to train on: it is a further test set, made for the tasks of these names, and
    its table is `test`. `also` returns the further test sets that a study of the task has where it names none. `metric`
    is what its benchmark reports beside the accuracy or in its place, None for the accuracy alone.
    """

    name: str
    takes: tuple[str, ...]
    problems: Callable[[TaskSpec], list[str]]
    classes: Callable[[TaskSpec], tuple[str, ...]]
    slug: Callable[[TaskSpec], str]
    read: Callable[[TaskSpec, Path], RawTask]
    about: About
    origin: Callable[[TaskSpec], Origin]
    further_of: tuple[str, ...] = ()
    also: Callable[[TaskSpec], Mapping[str, dict[str, str]]] = lambda _: {}
    metric: str | None = None


_REGISTERED: dict[str, BuiltIn] = {}
_REFUSED: dict[str, str] = {}


def register(task: BuiltIn) -> BuiltIn:
    """Add a built-in task; ValueError if its name is taken."""
    if task.name in _REGISTERED:
        raise ValueError(f"two built-in tasks are named {task.name}")
    _REGISTERED[task.name] = task
    return task


def refuse(name: str, reason: str) -> None:
    """Name a task of a benchmark that is out of scope; `reason` is half a sentence on what it is instead."""
    _REFUSED[name] = reason


def built_in_tasks() -> dict[str, BuiltIn]:
    """Return the built-in tasks by name, in alphabetical order."""
    _import_all()
    return dict(sorted(_REGISTERED.items()))


def refused_tasks() -> dict[str, str]:
    """Return the tasks that are out of scope by name, in alphabetical order, each with the reason."""
    _import_all()
    return dict(sorted(_REFUSED.items()))


def why_refused(name: str | None) -> str | None:
    """Return why a task is out of scope, None if it is not such a task; STS-B and stsb are one name."""
    return refused_tasks().get(re.sub("[-_ ]", "", (name or "").lower()))


def _import_all() -> None:
    package = __name__.rpartition(".")[0]
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"{package}.{module.name}")
