"""The built-in tasks: each is a module of this package that registers itself when it is imported."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tuneoff.study import TaskSpec
from tuneoff.tasks.raw import RawTask


@dataclass(frozen=True)
class BuiltIn:
    """A task that is known by name.

    `takes` are the keys of a study's task that it understands, beside `name`, `limit`, `drop_overlap` and
    `also_test`. `problems`
    returns what is wrong with their values, a line each. `classes` and `slug` give the class names and the folder name
    without reading data. `read` gets the study's folder.
    """

    name: str
    takes: tuple[str, ...]
    problems: Callable[[TaskSpec], list[str]]
    classes: Callable[[TaskSpec], tuple[str, ...]]
    slug: Callable[[TaskSpec], str]
    read: Callable[[TaskSpec, Path], RawTask]


_REGISTERED: dict[str, BuiltIn] = {}


def register(task: BuiltIn) -> BuiltIn:
    """Add a built-in task; ValueError if its name is taken."""
    if task.name in _REGISTERED:
        raise ValueError(f"two built-in tasks are named {task.name}")
    _REGISTERED[task.name] = task
    return task


def built_in_tasks() -> dict[str, BuiltIn]:
    """Return the built-in tasks by name, in alphabetical order."""
    package = __name__.rpartition(".")[0]
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        importlib.import_module(f"{package}.{module.name}")
    return dict(sorted(_REGISTERED.items()))
