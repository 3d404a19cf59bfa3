"""Which test examples each technique had right, by seed: what intervals and comparisons are computed from."""

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
    """

    seeds: tuple[int, ...]
    examples: NDArray[np.int64]
    right: NDArray[np.bool_]

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
    measured: dict[Key, dict[int, dict[int, bool]]] = {}
    for (key, seed), done in by_seed.items():
        if len(done) == asked[key, seed]:
            measured.setdefault(key, {})[seed] = {
                example: right for run in done for example, right in _right(store, run).items()
            }
    return {key: _gathered(seeds) for key, seeds in measured.items()}


def by_technique(runs: Sequence[Run]) -> dict[Key, list[Run]]:
    """Return the runs of each (model, task, technique), in their order."""
    groups: dict[Key, list[Run]] = {}
    for run in runs:
        groups.setdefault(_key(run), []).append(run)
    return groups


def _key(run: Row) -> Key:
    return run["model"], run["task"], run["technique"]


def _right(store: Store, run: Row) -> dict[int, bool]:
    path = store.checked(StageAddress(*_key(run), run["seed"], run["fold"]), PREDICTIONS)
    found = last_evaluation(path, run["split"], run["step"])
    assert found is not None  # the run has metrics, which come from it
    rows = evaluated_rows(path, run["split"], found.step)
    hits = (found.logits.argmax(axis=1) == found.labels).tolist()
    return dict(zip(range(len(hits)) if rows is None else rows.tolist(), hits, strict=True))


def _gathered(seeds: Mapping[int, Mapping[int, bool]]) -> Answers:
    examples = sorted(next(iter(seeds.values())))
    kept = {seed: found for seed, found in seeds.items() if found.keys() == set(examples)}
    right = np.array([[found[example] for example in examples] for found in kept.values()], dtype=np.bool_)
    return Answers(tuple(kept), np.array(examples, dtype=np.int64), right)
