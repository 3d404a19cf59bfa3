"""What each technique answered to each test example, by seed: what intervals and comparisons are computed from."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from tuneoff.evidence.predictions import evaluated_rows, last_evaluation
from tuneoff.store import PREDICTIONS, StageAddress, Store

Key = tuple[str, str, str]
Row = Mapping[str, Any]
Run = TypeVar("Run", bound=Row)


@dataclass(frozen=True)
class Answers:
    """A technique's seeds, and whether its answer to each example was right: (seeds, examples).

    `examples` name the columns, (examples,): numbers of rows, ascending; where they are not known, their places.
    `given` are the classes that were answered, (seeds, examples), `labels` the true ones, (examples,); None for
    predictions made elsewhere.
    """

    seeds: tuple[int, ...]
    examples: NDArray[np.int64]
    right: NDArray[np.bool_]
    given: NDArray[np.int64] | None = None
    labels: NDArray[np.int64] | None = None

    def of(self, seeds: Sequence[int]) -> NDArray[np.bool_]:
        """Return the rows of some of the seeds, in the order asked for."""
        return self.right[[self.seeds.index(seed) for seed in seeds]]


def answers(store: Store, runs: Sequence[Row]) -> dict[Key, Answers]:
    """Return the answers of each (model, task, technique) that has a seed whose runs, one a fold, are all done.

    `runs` are those of results.json. A seed that was measured on other examples than the technique's first is left
    out. Raises StoreError for a file that cannot be read.
    """
    asked = Counter((_key(run), run["seed"]) for run in runs)
    by_seed: dict[tuple[Key, int], list[Row]] = {}
    for run in runs:
        if run["status"] == "done" and run["metrics"]["accuracy"] is not None:
            by_seed.setdefault((_key(run), run["seed"]), []).append(run)
    measured: dict[Key, dict[int, _Seed]] = {}
    for (key, seed), done in by_seed.items():
        if len(done) == asked[key, seed]:
            measured.setdefault(key, {})[seed] = _seed(store, done)
    return {key: _gathered(seeds) for key, seeds in measured.items()}


def by_technique(runs: Sequence[Run]) -> dict[Key, list[Run]]:
    """Return the runs of each (model, task, technique), in their order."""
    groups: dict[Key, list[Run]] = {}
    for run in runs:
        groups.setdefault(_key(run), []).append(run)
    return groups


def _key(run: Row) -> Key:
    return run["model"], run["task"], run["technique"]


@dataclass(frozen=True)
class _Seed:
    """What one seed answered, over all its folds, each (examples,); examples ascending."""

    examples: NDArray[np.int64]
    given: NDArray[np.int64]
    labels: NDArray[np.int64]


def _seed(store: Store, runs: Sequence[Row]) -> _Seed:
    read = [_read(store, run) for run in runs]
    examples, given, labels = (np.concatenate(parts) for parts in zip(*read, strict=True))
    named, first = np.unique(examples, return_index=True)
    return _Seed(named, given[first], labels[first])


def _read(store: Store, run: Row) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    path = store.checked(StageAddress(*_key(run), run["seed"], run["fold"]), PREDICTIONS)
    found = last_evaluation(path, run["split"], run["step"])
    assert found is not None  # the run has metrics, which come from it
    rows = evaluated_rows(path, run["split"], found.step)
    return np.arange(len(found.labels)) if rows is None else rows, found.logits.argmax(axis=1), found.labels


def _gathered(seeds: Mapping[int, _Seed]) -> Answers:
    one = next(iter(seeds.values()))
    kept = {seed: found for seed, found in seeds.items() if np.array_equal(found.examples, one.examples)}
    given = np.stack([found.given for found in kept.values()])
    labels = np.stack([found.labels for found in kept.values()])
    return Answers(tuple(kept), one.examples, given == labels, given, one.labels)
