"""Which differences a comparison of two techniques can find, and what it would take to find a smaller one."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from tuneoff.evidence.crossed import Crossed, Floats, half_width
from tuneoff.evidence.pairs import steadied

POWER = 0.8
MOST_EXAMPLES, MOST_SEEDS = 1_000_000, 1_000
_NODES = 16
# Tails of the number of discordant examples beyond this many standard deviations add nothing that is seen.
_REACH = 7.0
_PRECISE = 0.02
_ROUNDS = 4


@dataclass(frozen=True)
class Design:
    """How many seeds and examples, and how the differences (-1, 0, 1) between two techniques' answers vary.

    `discordance` is the share of answers on which exactly one of the two is right, where their accuracies differ by
    `difference`. `between_seeds`, `between_examples` and `rest` are the variances of the effects of seed, of example,
    and of what is left (see `Crossed`); with one seed only the discordance counts.
    """

    seeds: int
    examples: int
    discordance: float
    between_seeds: float = 0.0
    between_examples: float = 0.0
    rest: float = 0.0
    difference: float = 0.0

    @classmethod
    def of(cls, parts: Crossed) -> "Design":
        """Return the design of a comparison that was made, with the variances that it measured."""
        return cls(
            seeds=parts.seeds,
            examples=parts.examples,
            discordance=float(parts.square),
            between_seeds=float(parts.seed_variance),
            between_examples=float(parts.example_variance),
            rest=float(parts.rest),
            difference=abs(float(parts.mean)),
        )

    @property
    def variance(self) -> float:
        """The variance of the mean difference over seeds and examples."""
        of_examples = (self.between_examples + self.rest / self.seeds) / self.examples
        return self.between_seeds / self.seeds + of_examples

    def with_difference(self, difference: float) -> "Design":
        """Return the design where the accuracies differ by another difference, about the same middle.

        Where right answers come independently, p + q - 2 p q of them are discordant: half of the square of p - q more
        than for p = q. At least the difference itself is.
        """
        if self.discordance == 0:
            return replace(self, discordance=difference, difference=difference)
        share = self.discordance + (difference**2 - self.difference**2) / 2
        share = min(max(share, difference), 1.0)
        scale = share / self.discordance
        return replace(
            self,
            discordance=share,
            between_examples=scale * self.between_examples,
            rest=scale * self.rest,
            difference=difference,
        )


def power(design: Design, difference: float, level: float) -> float:
    """Return the probability that a true difference in accuracy is found: a p-value of `level` or less.

    With one seed it is that of McNemar's exact test, by sums over binomial probabilities. With several it is that of
    `pairs.p_value` where the variances are what the design says: the mean difference is normal, and the mean square
    between seeds, which decides how far it must lie from 0, a chi-square by itself.
    """
    design = design.with_difference(abs(difference))
    if design.seeds == 1:
        return _mcnemar_power(design, abs(difference), level)
    return _crossed_power(design, level)(abs(difference))


def smallest_difference(design: Design, level: float, wanted: float = POWER) -> float | None:
    """Return the smallest difference in accuracy that is found with the power wanted; None where not even 1 is."""
    from scipy.optimize import brentq

    if design.seeds > 1 and design.variance == 0:
        return None
    if power(design, 1.0, level) < wanted:
        return None
    if design.seeds == 1:
        return float(brentq(lambda difference: power(design, difference, level) - wanted, 0.0, 1.0, xtol=1e-5))
    # How far the mean must lie from 0 is slow to compute, and depends little on the difference.
    found = 0.0
    for _ in range(_ROUNDS):
        measured = _crossed_power(design.with_difference(found), level)
        if measured(1.0) < wanted:
            return None
        found = float(brentq(_less(measured, wanted), 0.0, 1.0, xtol=1e-5))
    return found


def _less(function: Callable[[float], float], by: float) -> Callable[[float], float]:
    return lambda value: function(value) - by


def examples_needed(design: Design, difference: float, level: float, wanted: float = POWER) -> int | None:
    """Return about how many examples find a difference, seeds as they are; None where a million would not."""
    return _least(
        lambda n: power(replace(design, examples=n), difference, level) >= wanted,
        *(design.examples, MOST_EXAMPLES),
    )


def seeds_needed(design: Design, difference: float, level: float, wanted: float = POWER) -> int | None:
    """Return about how many seeds find a difference, examples as they are; None where a thousand would not.

    With one seed the variance between seeds is not known, and neither is this: None.
    """
    if design.seeds == 1:
        return None
    return _least(
        lambda seeds: power(replace(design, seeds=seeds), difference, level) >= wanted,
        *(design.seeds, MOST_SEEDS),
    )


def _least(enough: Callable[[int], bool], low: int, high: int) -> int | None:
    """Return the smallest count from low to high that is enough, within 2%; None where high is not."""
    if enough(low):
        return low
    if not enough(high):
        return None
    step = low
    while 2 * step < high and not enough(2 * step):
        step *= 2
    low, high = step, min(2 * step, high)
    while high - low > max(1, _PRECISE * low):
        middle = round(math.sqrt(low * high))
        middle = min(max(middle, low + 1), high - 1)
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _mcnemar_power(design: Design, difference: float, level: float) -> float:
    """Sum over the number of discordant examples, and over how many of them favour the better technique."""
    from scipy.special import bdtr, bdtrik, gammaln, xlog1py, xlogy

    n, share = design.examples, min(design.discordance, 1.0)
    if share == 0:
        return 0.0
    reach = _REACH * math.sqrt(n * share * (1 - share)) + 1
    discordant = np.arange(max(0, math.floor(n * share - reach)), min(n, math.ceil(n * share + reach)) + 1)
    # The largest count whose doubled lower tail is within the level; -1 where there is none.
    reached = level / 2 >= 0.5**discordant
    quantile = np.floor(np.where(reached, bdtrik(level / 2, discordant, 0.5), 0.0))
    # Rounding may have put it one off.
    critical = np.where(bdtr(quantile + 1, discordant, 0.5) <= level / 2, quantile + 1, quantile)
    critical = np.where(bdtr(critical, discordant, 0.5) > level / 2, critical - 1, critical)
    favoured = (1 + difference / share) / 2
    found = bdtr(np.maximum(critical, 0), discordant, 1 - favoured) + bdtr(
        np.maximum(critical, 0), discordant, favoured
    )
    ways = gammaln(n + 1) - gammaln(discordant + 1) - gammaln(n - discordant + 1)
    chance = np.exp(ways + xlogy(discordant, share) + xlog1py(n - discordant, -share))
    return float((chance * np.where(reached, found, 0.0)).sum())


def _crossed_power(design: Design, level: float) -> Callable[[float], float]:
    """Return the power as a function of the difference; how far the mean must lie from 0 is computed only once."""
    from scipy.special import ndtr

    spread = math.sqrt(design.variance)
    parts, weights = _expected(design)
    _, extra = steadied(parts)
    n = parts.effective_examples
    needed = half_width(1 - level, parts, extra) * (n + 2) / n

    def found(difference: float) -> float:
        tails = ndtr((difference - needed) / spread) + ndtr((-difference - needed) / spread)
        return float((weights * tails).sum())

    return found if spread > 0 else lambda difference: 0.0


def _expected(design: Design) -> tuple[Crossed, Floats]:
    """Return the mean squares that a design leads to, those between seeds at nodes (k,), with their weights."""
    from scipy.special import gammaincinv

    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    degrees = design.seeds - 1
    chances = 2 * gammaincinv(degrees / 2, (nodes + 1) / 2) / degrees
    of_seeds = (design.rest + design.examples * design.between_seeds) * chances
    same = np.ones_like(of_seeds)
    parts = Crossed(
        *(design.seeds, design.examples),
        mean=0.0 * same,
        square=design.discordance * same,
        of_seeds=of_seeds,
        of_examples=(design.rest + design.seeds * design.between_examples) * same,
        rest=design.rest * same,
    )
    return parts, weights / 2
