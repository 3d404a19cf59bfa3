"""Which rows each optimizer step sees, and how a batch is cut into micro-batches."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tuneoff.training.seeds import derive

Rows = NDArray[np.int64]


def steps_per_epoch(rows: int, batch_size: int) -> int:
    """Return the optimizer steps of one pass over the rows; the last, smaller batch counts."""
    return math.ceil(rows / batch_size)


def batch_rows(rows: int, batch_size: int, seed: int, step: int) -> Rows:
    """Return the rows of optimizer step `step` (0, 1, ...): each epoch is a permutation of all rows, cut in order.

    The order depends on (seed, epoch) alone, so any step can be asked for without those before it.
    """
    epoch, position = divmod(step, steps_per_epoch(rows, batch_size))
    return epoch_rows(rows, seed, epoch)[position * batch_size : (position + 1) * batch_size]


def epoch_rows(rows: int, seed: int, epoch: int) -> Rows:
    """Return all rows in the order in which an epoch (0, 1, ...) takes them."""
    return np.random.default_rng(derive(seed, "epoch", epoch)).permutation(rows).astype(np.int64)


def micro_batches(lengths: Sequence[int] | NDArray[np.integer], budget: int) -> list[Rows]:
    """Cut examples into groups of like length, longest first, each of at most `budget` tokens with its padding.

    Returns positions into `lengths`; each position is in exactly one group, and an example longer than the budget is
    alone in its group.
    """
    by_length = np.argsort(-np.asarray(lengths), kind="stable")
    groups: list[Rows] = []
    start = 0
    while start < len(by_length):
        longest = int(lengths[by_length[start]])
        size = max(1, budget // max(1, longest))
        groups.append(by_length[start : start + size].astype(np.int64))
        start += size
    return groups


def packed_batches(lengths: Sequence[int] | NDArray[np.integer], budget: int) -> list[Rows]:
    """Cut examples, longest first, into groups of about equal total length, each of at most `budget` tokens.

    Returns positions into `lengths`, as `micro_batches` does; there is no padding to count.
    """
    sizes = np.asarray(lengths)
    by_length = np.argsort(-sizes, kind="stable")
    fair = sizes.sum() / max(1, math.ceil(sizes.sum() / budget))
    groups: list[list[int]] = []
    taken = done = 0
    for place in by_length:
        size = int(sizes[place])
        if not groups or taken + size > budget or done >= fair * len(groups):
            groups.append([])
            taken = 0
        groups[-1].append(int(place))
        taken, done = taken + size, done + size
    return [np.array(group, dtype=np.int64) for group in groups]
