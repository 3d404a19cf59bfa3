"""A study that adds seeds in rounds until it is clear which technique is best, with its error rate held."""

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from itertools import combinations, count, pairwise

import numpy as np

from tuneoff.evidence.answers import Answers
from tuneoff.evidence.pairs import not_equal_p, p_value
from tuneoff.evidence.verdicts import ALPHA

PairName = frozenset[str]


@dataclass(frozen=True)
class Round:
    """A look at the techniques in the race after `seeds` seeds, with `level` of the error rate spent on it.

    `better` holds (better, worse), `equal` pairs within the margin, found at this look. `out` left the race here,
    `left` are still in it.
    """

    seeds: int
    level: float
    better: tuple[tuple[str, str], ...]
    equal: tuple[tuple[str, str], ...]
    out: tuple[str, ...]
    left: tuple[str, ...]


@dataclass(frozen=True)
class Race:
    """The rounds that are complete, and for each pair its corrected p-values: of no difference, and of no equality.

    Where `clear`, one technique is left, or all that are left are equal within the margin.
    """

    rounds: tuple[Round, ...]
    p: Mapping[PairName, tuple[float, float]]
    clear: bool

    @property
    def left(self) -> tuple[str, ...] | None:
        """The techniques in the race after the last complete round; None before the first."""
        return self.rounds[-1].left if self.rounds else None


def seeds_by_round(first: Sequence[int], most: int) -> list[list[int]]:
    """Return the seeds of each round: the study's own, then twice as many each time, up to `most`.

    >>> seeds_by_round([0, 1], 5)
    [[0, 1], [0, 1, 2, 3], [0, 1, 2, 3, 4]]
    """
    further = count(max(first) + 1)
    rounds = [list(first)]
    while len(rounds[-1]) < most:
        size = min(2 * len(rounds[-1]), most)
        rounds.append([*rounds[-1], *(next(further) for _ in range(size - len(rounds[-1])))])
    return rounds


def levels(sizes: Sequence[int], alpha: float = ALPHA) -> list[float]:
    """Return what each look may spend of the error rate, by the share of the seeds that it has.

    The spending function of Pocock's type of Lan & DeMets (1983, Biometrika 70, 659-663):
    alpha * ln(1 + (e - 1) * share). The looks' levels sum to alpha, so the chance that any of them errs is at most
    that, however they depend on each other.
    """
    spent = [0.0, *(alpha * math.log(1 + (math.e - 1) * size / sizes[-1]) for size in sizes)]
    return [after - before for before, after in pairwise(spent)]


def race(
    techniques: Sequence[str],
    found: Mapping[str, Answers],
    rounds: Sequence[Sequence[int]],
    margin: float | None = None,
    failed: Set[str] = frozenset(),
) -> Race:
    """Return what the rounds that are complete decide; `margin` is a share, `failed` are out from the start.

    At each look every pair of techniques in the race is tested at the look's level over the number of all pairs of
    the study (Bonferroni), with a margin also for equality. A technique that is worse than another leaves the race
    at once. What was found is not taken back at later looks.
    """
    pairs = math.comb(len(techniques), 2)
    left = [name for name in techniques if name not in failed]
    p: dict[PairName, tuple[float, float]] = {}
    done: list[Round] = []
    clear = len(left) < 2
    for seeds, level in zip(rounds, levels([len(one) for one in rounds]), strict=True):
        if clear or not all(name in found and set(seeds) <= set(found[name].seeds) for name in left):
            break
        better, equal = [], []
        for pair in combinations(left, 2):
            now, difference = _p_values(found, pair, seeds, margin)
            now = (min(1.0, now[0] * pairs * ALPHA / level), min(1.0, now[1] * pairs * ALPHA / level))
            before = p.get(frozenset(pair), (1.0, 1.0))
            after = (min(before[0], now[0]), min(before[1], now[1]))
            p[frozenset(pair)] = after
            if after[0] <= ALPHA < before[0]:
                better.append(pair if difference > 0 else pair[::-1])
            if after[1] <= ALPHA < before[1]:
                equal.append(pair)
        out = tuple(name for name in left if any(worse == name for _, worse in better))
        left = [name for name in left if name not in out]
        done.append(Round(len(seeds), level, tuple(better), tuple(equal), out, tuple(left)))
        clear = all(p[frozenset(pair)][1] <= ALPHA for pair in combinations(left, 2))
    return Race(tuple(done), p, clear)


def _p_values(
    found: Mapping[str, Answers], pair: tuple[str, str], seeds: Sequence[int], margin: float | None
) -> tuple[tuple[float, float], float]:
    values = found[pair[0]].of(seeds).astype(np.float64) - found[pair[1]].of(seeds)
    equal = 1.0 if margin is None else not_equal_p(values, margin)
    return (float(p_value(values)), equal), float(values.mean())
