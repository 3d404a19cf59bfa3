"""Cutting all labelled rows of a task into folds by groups, for cross-validation."""

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuneoff.errors import DataError
from tuneoff.tasks.data_set import Split, TaskData
from tuneoff.tasks.splits import group_keys, scattered

POOL = "labelled rows"


@dataclass(frozen=True)
class FoldedTask:
    """A task cut into folds: each with its held-out part as test; and the whole, as it is described to readers.

    The whole's `test` are all rows, each of which is held out once; its train and dev are those of fold 0.
    """

    whole: TaskData
    folds: tuple[TaskData, ...]


def pooled(splits: Sequence[Split], prefixed: Collection[str]) -> Split:
    """Return the rows of several splits laid end to end, numbered anew.

    Ids may repeat between splits: each gets its split's name before it, unless the split is among `prefixed`. A row
    without an id gets its number in its split.
    """
    parts = [part for split in splits for part in [split.labels] if part is not None]
    columns = [name for name in splits[0].columns if all(name in split.columns for split in splits)]
    groups = [split.groups for split in splits]
    return Split(
        name=POOL,
        texts=tuple([text for split in splits for text in split.texts[n]] for n in range(len(splits[0].texts))),
        labels=np.concatenate(parts),
        rows=np.arange(sum(map(len, splits)), dtype=np.int64),
        source_ids=[one for split in splits for one in _ids(split, prefixed)],
        groups=None if None in groups else [one for found in groups for one in found or []],
        columns={name: [value for split in splits for value in split.columns[name]] for name in columns},
    )


def _ids(split: Split, prefixed: Collection[str]) -> list[str]:
    known = zip(split.rows.tolist(), split.source_ids, strict=True)
    if split.name in prefixed:
        return [f"{split.name}:{row}" if one is None else one for row, one in known]
    return [f"{split.name}:{row if one is None else one}" for row, one in known]


def cut_folds(pool: Split, folds: int, *, classes: Sequence[str]) -> list[list[int]]:
    """Return the rows of each fold, in their order: each row in one, rows of one group together.

    Each class is spread over the folds as evenly as whole groups allow: the groups, largest first, go one after another
    to the fold that then misses least of an even share in the sum of squares over the classes, of equal ones to the
    smallest. The cut depends on the data and the number of folds alone, on no seed.

    Raises DataError where there are fewer groups than folds, or a class would be missing outside a fold.
    """
    assert pool.labels is not None
    members: dict[Hashable, list[int]] = {}
    for row, key in enumerate(group_keys(pool)):
        members.setdefault(key, []).append(row)
    if len(members) < folds:
        raise DataError(
            f"protocol.folds: the {len(pool):,} labelled rows are {len(members):,} groups, which do not fill {folds} "
            "folds. Ask for fewer folds, or group by another column (task.group)."
        )
    groups = [members[key] for key in sorted(members, key=lambda key: (-len(members[key]), scattered(key)))]
    counts = np.array([np.bincount(pool.labels[group], minlength=len(classes)) for group in groups])
    chosen = _spread(counts, folds)
    found = [
        sorted(row for group, at in zip(groups, chosen, strict=True) if at == fold for row in group)
        for fold in range(folds)
    ]
    totals = np.bincount(pool.labels, minlength=len(classes))
    for fold, rows in enumerate(found):
        alone = np.flatnonzero((totals > 0) & (np.bincount(pool.labels[rows], minlength=len(classes)) == totals))
        if len(alone):
            raise DataError(
                f"protocol.folds: the label '{classes[alone[0]]}' would occur in fold {fold} alone, so nothing could "
                "learn it there. Ask for more folds, or group by another column (task.group)."
            )
    return found


def _spread(counts: NDArray[np.int64], folds: int) -> list[int]:
    """Return the fold of each group, from its counts by class [G, C]; numbers are times `folds`, to stay whole."""
    missing = np.tile(counts.sum(axis=0), (folds, 1))
    taken = np.zeros(folds, dtype=np.int64)
    chosen = []
    for count in counts:
        gain = (missing**2).sum(axis=1) - ((missing - folds * count) ** 2).sum(axis=1)
        fold = int(np.lexsort((taken, -gain))[0])
        missing[fold] -= folds * count
        taken[fold] += count.sum()
        chosen.append(fold)
    return chosen
