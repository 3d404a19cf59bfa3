"""The ways of fine-tuning: one file each, found here by name; '+' composes them."""

import importlib
import pkgutil
from difflib import get_close_matches
from functools import cache

from tuneoff.errors import StudyError
from tuneoff.section import Section
from tuneoff.techniques.base import StageSettings, Technique

__all__ = ["StageSettings", "Technique", "get", "names", "register", "settings_of"]

_registry: dict[str, type[Technique]] = {}


def register(technique: type[Technique]) -> type[Technique]:
    """Add a technique under its name; usable as a decorator. Raises ValueError if another one has the name."""
    taken = _registry.setdefault(technique.name, technique)
    if taken is not technique:
        raise ValueError(f"technique name '{technique.name}' is taken by {taken.__module__}.{taken.__qualname__}")
    return technique


@cache
def _load_own() -> None:
    """Import every file of this folder and register the techniques defined in it."""
    for module_info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{module_info.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Technique) and hasattr(value, "name"):
                register(value)


def names() -> list[str]:
    """Return the names of all techniques, sorted."""
    _load_own()
    return sorted(_registry)


def get(name: str) -> type[Technique]:
    """Return a technique by name; raises StudyError with near names and all names if there is none."""
    known = names()
    if name not in _registry:
        near = get_close_matches(name, known, n=2)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise StudyError(
            f"technique '{name}' is unknown; {hint}there are: {', '.join(known)} (joined by '+' in stages)"
        )
    return _registry[name]


def settings_of(name: str) -> type[Section]:
    """Return the class of a technique's settings; raises StudyError if there is no such technique."""
    return get(name).settings_class
