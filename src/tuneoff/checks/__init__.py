"""What can be wrong with a study, or with a training loop of one's own: one file a check, found here by name."""

import importlib
import pkgutil
from functools import cache

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding

__all__ = ["Check", "Finding", "all_checks"]

#: What runs before what: the cheap and the fatal first. A check that is not named here comes last.
ORDER = ("labels", "leakage", "shortcut", "length", "numbers", "memory", "power", "padding")


@cache
def all_checks() -> tuple[Check, ...]:
    """Return one of every check in this folder, in the order in which they are made."""
    found: dict[str, Check] = {}
    for module_info in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{module_info.name}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, Check) and value is not Check:
                found[value.name] = value()
    places = {name: place for place, name in enumerate(ORDER)}
    return tuple(sorted(found.values(), key=lambda check: (places.get(check.name, len(ORDER)), check.name)))
