"""tuneoff: fine-tuning, face to face. Compare ways of fine-tuning a model on a task, fast and honestly.

>>> import tuneoff
>>> result = tuneoff.run(model="intfloat/multilingual-e5-small", task="mini_rte")  # doctest: +SKIP
>>> result.table()  # doctest: +SKIP
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tuneoff.api import Result, load, run
    from tuneoff.checks.own import doctor
    from tuneoff.errors import DataError, ExecutorError, ModelError, StoreError, StudyError, TuneoffError
    from tuneoff.exporting import export
    from tuneoff.predicting import predict
    from tuneoff.study import Study

# Arrow's own allocator reserves a gigabyte at its first use, and RLIMIT_DATA (protocol.memory_limit) counts what is
# reserved. Arrow reads this once, when it is imported.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")

_HOMES = {
    "DataError": "tuneoff.errors",
    "ExecutorError": "tuneoff.errors",
    "ModelError": "tuneoff.errors",
    "Result": "tuneoff.api",
    "StoreError": "tuneoff.errors",
    "Study": "tuneoff.study",
    "StudyError": "tuneoff.errors",
    "TuneoffError": "tuneoff.errors",
    "doctor": "tuneoff.checks.own",
    "export": "tuneoff.exporting",
    "load": "tuneoff.api",
    "predict": "tuneoff.predicting",
    "run": "tuneoff.api",
}

__all__ = [
    "DataError",
    "ExecutorError",
    "ModelError",
    "Result",
    "StoreError",
    "Study",
    "StudyError",
    "TuneoffError",
    "doctor",
    "export",
    "load",
    "predict",
    "run",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing tuneoff costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'tuneoff' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
