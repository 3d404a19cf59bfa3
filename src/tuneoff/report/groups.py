"""Groups of techniques of which no pair is told apart: which there are, and which of them a chart has room for."""

from collections.abc import Iterator, Sequence, Set
from itertools import combinations, islice

# Groups can be as many as 3^(n/3); evidence has one for a technique or so.
MOST_FOUND = 2_000
Group = tuple[int, ...]


def maximal_groups(count: int, apart: Set[frozenset[int]]) -> list[Group]:
    """Return the groups of two or more of 0 ... count - 1 that hold no pair of `apart` and are part of no larger one.

    Members are in their order, and so are groups; the first MOST_FOUND that are found. These are the maximal cliques
    of the graph that joins all other pairs: C. Bron, J. Kerbosch, Algorithm 457, CACM 16 (1973), 575-577, with the
    pivot of E. Tomita, A. Tanaka, H. Takahashi, TCS 363 (2006), 28-42.
    """
    joined = [{b for b in range(count) if b != a and frozenset((a, b)) not in apart} for a in range(count)]
    found = islice(_grow(set(), set(range(count)), set(), joined), MOST_FOUND)
    return sorted(group for group in found if len(group) > 1)


def _grow(group: set[int], open_: set[int], used: set[int], joined: Sequence[set[int]]) -> Iterator[Group]:
    """Yield the maximal groups that extend one by some of `open_` and by none of `used`."""
    if not open_ and not used:
        yield tuple(sorted(group))
        return
    # sorted: sets have no order that one could rely on.
    pivot = max(sorted(open_ | used), key=lambda one: len(joined[one] & open_))
    for one in sorted(open_ - joined[pivot]):
        yield from _grow(group | {one}, open_ & joined[one], used & joined[one], joined)
        open_, used = open_ - {one}, used | {one}


def telling_most(groups: Sequence[Group], most: int) -> list[Group]:
    """Return at most so many of the groups, in their order: each next one holds the most pairs that none before has."""
    if len(groups) <= most:
        return list(groups)
    left = {group: set(combinations(group, 2)) for group in groups}
    chosen: list[Group] = []
    while len(chosen) < most and any(left.values()):
        best = max(left, key=lambda group: (len(left[group]), [-member for member in group]))
        chosen.append(best)
        told = left.pop(best)
        left = {group: pairs - told for group, pairs in left.items()}
    return sorted(chosen)


def columns(groups: Sequence[Group]) -> list[int]:
    """Return a column for each group, as few as there can be, so that no two of one column reach over each other."""
    ends: list[int] = []
    placed = []
    for group in sorted(groups):
        free = next((place for place, end in enumerate(ends) if end < group[0]), len(ends))
        ends[free : free + 1] = [group[-1]]
        placed.append(free)
    return placed
