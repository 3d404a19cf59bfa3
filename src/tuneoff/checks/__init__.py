"""What can be wrong with a study, or with a training loop of one's own: one file a check, found here by name."""

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.checks.messages import Texts

__all__ = ["Check", "Finding", "all_checks", "quick_names", "words_of"]

#: What runs before what: the cheap and the fatal first. A check that is not named here comes last.
ORDER = ("labels", "leakage", "shortcut", "length", "numbers", "memory", "power", "rank", "padding")


@cache
def all_checks() -> tuple[Check, ...]:
    """Return one of every check in this folder, in the order in which they are made."""
    found = {check.name: check for name in _modules() for check in _checks_of(name)}
    places = {name: place for place, name in enumerate(ORDER)}
    return tuple(sorted(found.values(), key=lambda check: (places.get(check.name, len(ORDER)), check.name)))


def quick_names() -> list[str]:
    """Return the names of the checks that every run makes; only their own files are read, and these need no torch."""
    return [check.name for name in ORDER for check in _checks_of(name.replace("-", "_")) if check.quick]


def words_of(name: str) -> Mapping[str, Texts]:
    """Return the words of the check of a name, by language and message id; none where there is no such check.

    Its own file alone is read for them, and that needs no torch.
    """
    module = name.replace("-", "_")
    checks = _checks_of(module) if module in _modules() else []
    return next((check.words for check in checks if check.name == name), {})


def _modules() -> list[str]:
    return [module.name for module in pkgutil.iter_modules(__path__)]


def _checks_of(module: str) -> list[Check]:
    """Return one of every check that a file of this folder has."""
    values = vars(importlib.import_module(f"{__name__}.{module}")).values()
    return [value() for value in values if isinstance(value, type) and issubclass(value, Check) and value is not Check]
