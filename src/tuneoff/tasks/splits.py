"""Cutting a dev split out of train by groups, and finding what two splits have in common."""

import hashlib
from collections.abc import Hashable, Iterable

import numpy as np
from numpy.typing import NDArray

from tuneoff.errors import DataError
from tuneoff.tasks.data_set import Split
from tuneoff.tasks.notes import note

DEV_SHARE = 10
"""One row in so many of train goes to dev."""

Counts = NDArray[np.int64]


def group_keys(split: Split) -> list[Hashable]:
    """Return what keeps rows together: their group, or where there are none their texts (equal texts, one group)."""
    return list(split.groups) if split.groups is not None else list(text_keys(split))


def text_keys(split: Split) -> list[tuple[str, ...]]:
    """Return each row's texts as one value."""
    return list(zip(*split.texts, strict=True))


def take(split: Split, rows: Iterable[int], name: str | None = None) -> Split:
    """Return the split that has only these of its rows (numbers from 0), in this order."""
    chosen = list(rows)
    return Split(
        name=name or split.name,
        texts=tuple([texts[row] for row in chosen] for texts in split.texts),
        labels=None if split.labels is None else split.labels[chosen],
        rows=split.rows[chosen],
        source_ids=[split.source_ids[row] for row in chosen],
        groups=None if split.groups is None else [split.groups[row] for row in chosen],
        columns={column: [values[row] for row in chosen] for column, values in split.columns.items()},
    )


def cut_dev(train: Split, *, n_classes: int) -> tuple[Split, Split]:
    """Cut a tenth of train off as dev, and return both; rows of one group stay together.

    dev has at least a tenth of the rows (so at least 100 of 1,000), each class with its share as closely as whole
    groups allow, and each class that train has stays in train. The cut depends on the data alone, on no seed: groups
    are tried in the order of the hash of their name.

    Raises DataError where the groups are too few or too large for such a cut.
    """
    labels = _labels(train)
    members: dict[Hashable, list[int]] = {}
    for row, key in enumerate(group_keys(train)):
        members.setdefault(key, []).append(row)
    groups = [members[key] for key in sorted(members, key=scattered)]
    rows = sorted(_choose(groups, labels, n_classes))
    kept = np.setdiff1d(np.arange(len(train)), rows)
    return take(train, kept.tolist()), take(train, rows, "dev")


def count_shared(split: Iterable[Hashable], train: Iterable[Hashable]) -> int:
    """Return how many of the first values also stand among the second."""
    known = set(train)
    return sum(value in known for value in split)


def drop_overlap(train: Split, others: Iterable[Split]) -> Split:
    """Return train without the rows whose group (or texts, where there are no groups) stands in another split."""
    taken = {key for other in others for key in group_keys(other)}
    return take(train, [row for row, key in enumerate(group_keys(train)) if key not in taken])


def overlap_notes(train: Split, other: Split, text_fields: tuple[str, ...], group: str | None) -> list[str]:
    """Return a sentence for each thing that rows of another split share with train: group or first text, all texts.

    `group` is the group column's name; without one, and with two text fields, the first of them takes its place.
    """
    notes = []
    mine, theirs = (split.groups or split.texts[0] for split in (other, train))
    shared = count_shared(mine, theirs) if group or len(text_fields) > 1 else 0
    if shared:
        named = group or text_fields[0]
        notes.append(note("shared", shared=shared, rows=len(other), split=other.name, by=named))
    same = count_shared(text_keys(other), text_keys(train))
    if same:
        notes.append(note("same", same=same, rows=len(other), split=other.name))
    return notes


def _choose(groups: list[list[int]], labels: Counts, n_classes: int) -> list[int]:
    """Return the rows for dev: quotas by class are approached group by group, then met in sum.

    First each group in turn is taken, or given back, if that lowers the squared distance between the rows taken and
    the quotas, until nothing does; then groups are added until there are rows enough.
    """
    counts = [np.bincount(labels[group], minlength=n_classes) for group in groups]
    totals = np.bincount(labels, minlength=n_classes)
    quotas = _quotas(totals)
    chosen, taken = _approach(counts, totals, quotas)
    while taken.sum() < quotas.sum():
        possible = [
            number for number in range(len(groups)) if not chosen[number] and _spares(totals, taken + counts[number])
        ]
        if not possible:
            raise DataError(
                f"dev cannot be cut out of train: a tenth of its {len(labels):,} rows is wanted, but its "
                f"{len(groups):,} groups are too few or too large for both sides to have each label. "
                "Give dev (task.dev) or more rows (task.limit), or group by another column (task.group)."
            )
        best = max(possible, key=lambda number: _gain(counts[number], quotas - taken))
        chosen[best] = True
        taken = taken + counts[best]
    return [row for group, is_chosen in zip(groups, chosen, strict=True) if is_chosen for row in group]


def _approach(counts: list[Counts], totals: Counts, quotas: Counts) -> tuple[list[bool], Counts]:
    """Return which groups to take, and their counts in sum: a local minimum of the distance to the quotas."""
    chosen = [False] * len(counts)
    taken = np.zeros_like(quotas)
    changed = True
    while changed and not np.array_equal(taken, quotas):
        changed = False
        for number, count in enumerate(counts):
            change = -count if chosen[number] else count
            if _gain(change, quotas - taken) > 0 and _spares(totals, taken + change):
                taken = taken + change
                chosen[number] = not chosen[number]
                changed = True
            if np.array_equal(taken, quotas):
                break
    return chosen, taken


def _quotas(totals: Counts) -> Counts:
    """Return a tenth of each class, rounded so that they sum to a tenth of all, rounded up (largest remainders)."""
    needed = -(-int(totals.sum()) // DEV_SHARE)
    quotas = totals // DEV_SHARE
    by_remainder = np.argsort(-(totals % DEV_SHARE), kind="stable")
    quotas[by_remainder[: needed - int(quotas.sum())]] += 1
    return quotas


def _gain(change: Counts, missing: Counts) -> int:
    """Return by how much the squared distance to the quotas falls when this is added to what is taken."""
    return int((missing**2).sum() - ((missing - change) ** 2).sum())


def _spares(totals: Counts, taken: Counts) -> bool:
    """Return whether each class that train has would keep a row there."""
    return bool(np.all((totals == 0) | (taken < totals)))


def scattered(key: Hashable) -> bytes:
    """Return a sort key without relation to the data's own order: sha256, the same on every machine."""
    parts = key if isinstance(key, tuple) else (key,)
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()


def _labels(split: Split) -> Counts:
    if split.labels is None:
        raise ValueError(f"split {split.name} has no labels")
    return split.labels
