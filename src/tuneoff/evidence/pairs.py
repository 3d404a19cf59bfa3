"""Two techniques on the same examples under the same seeds: how they differ, and how surely."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuneoff.evidence.audit import mcnemar_p
from tuneoff.evidence.crossed import Crossed, Floats, crossed, half_width, tail
from tuneoff.evidence.intervals import EXAMPLES, LEVEL, SEEDS_AND_EXAMPLES

MCNEMAR, GENERALISED = "exact McNemar", "generalised p-value over seeds and examples"


@dataclass(frozen=True)
class Pair:
    """What is known of technique a against b; shares of examples, not points.

    `difference` is a's mean accuracy less b's; `low` and `high` bound it at `level`. `p` is two-sided, not corrected
    for other pairs. `discordance` is the share of answers on which exactly one of the two is right. `wins`, `ties`
    and `losses` count a's seeds. `superiority` is P(A > B): the probability that a, trained once more, has more right
    answers than b, trained with the same seed, on as many new examples; `superiority_low` and `superiority_high` are
    its values at `low` and `high`. With one seed the variance between seeds is not known, and all of this is about
    the two trained models alone (`covers`).
    """

    difference: float
    low: float
    high: float
    level: float
    p: float
    method: str
    covers: str
    seeds: int
    examples: int
    discordance: float
    a_alone: float
    b_alone: float
    wins: int
    ties: int
    losses: int
    superiority: float
    superiority_low: float
    superiority_high: float
    seed_sd: float | None

    def as_json(self) -> dict[str, Any]:
        """Return its fields as JSON values."""
        return asdict(self)


def compare(a: NDArray[np.bool_], b: NDArray[np.bool_], level: float = LEVEL) -> Pair:
    """Return the comparison of which answers of a and b were right, each (seeds, examples), in the same order.

    Raises ValueError where the two have different shapes or fewer than two examples.
    """
    if a.shape != b.shape:
        raise ValueError(f"answers of different shapes: {a.shape} and {b.shape}")
    values = a.astype(np.float64) - b
    parts = crossed(values)
    centre, extra = steadied(parts)
    half = float(half_width(level, parts, extra))
    low, high = max(float(centre) - half, -1.0), min(float(centre) + half, 1.0)
    by_seed = values.sum(1)
    chances = [superiority(mean, parts) for mean in (float(parts.mean), low, high)]
    return Pair(
        difference=float(parts.mean),
        low=low,
        high=high,
        level=level,
        p=float(p_value(values)),
        method=MCNEMAR if parts.seeds == 1 else GENERALISED,
        covers=EXAMPLES if parts.seeds == 1 else SEEDS_AND_EXAMPLES,
        seeds=parts.seeds,
        examples=parts.examples,
        discordance=float(parts.square),
        a_alone=float((values > 0).mean()),
        b_alone=float((values < 0).mean()),
        wins=int((by_seed > 0).sum()),
        ties=int((by_seed == 0).sum()),
        losses=int((by_seed < 0).sum()),
        superiority=chances[0],
        superiority_low=chances[1],
        superiority_high=chances[2],
        seed_sd=None if parts.seeds == 1 else float(np.sqrt(parts.seed_variance)),
    )


def p_value(values: ArrayLike, supposed: float = 0.0) -> Floats:
    """Return two-sided p-values (...,): that the mean of differences (..., seeds, examples) of -1, 0, 1 is `supposed`.

    One seed and no difference supposed: McNemar's exact test. Else `crossed.tail`, at the distance from the
    steadied mean.
    """
    cells = np.asarray(values, dtype=np.float64)
    if cells.shape[-2] == 1 and supposed == 0.0:
        discordant, excess = np.abs(cells).sum((-2, -1)).astype(np.int64), cells.sum((-2, -1)).astype(np.int64)
        return mcnemar_p(discordant, np.abs(excess))
    parts = crossed(cells)
    centre, extra = steadied(parts)
    return tail(centre - supposed, parts, extra)


def not_equal_p(values: ArrayLike, margin: float) -> float:
    """Return the p-value against the supposition that the mean difference (seeds, examples) is `margin` or more off 0.

    The larger of two one-sided tests (Schuirmann 1987, Journal of Pharmacokinetics and Biopharmaceutics 15, 657-680):
    where it is 5% or less, the two are equal within the margin, a share.
    """
    parts = crossed(values)
    centre, extra = steadied(parts)
    if abs(float(centre)) >= margin:
        return 1.0 - float(tail(margin - abs(centre), parts, extra)) / 2
    return float(tail(margin - abs(centre), parts, extra)) / 2


def steadied(parts: Crossed) -> tuple[Floats, Floats]:
    """Return the mean of differences drawn a little towards 0, and what is to be added to its variance.

    As if one more independent example had favoured a, and one b: with one seed this is the interval of Bonett & Price
    (2012, Journal of Educational and Behavioral Statistics 37, 479-488). Few examples on which the two differ
    could have been more; without this, ten of ten in one direction would leave too narrow an interval, and none
    at all one of no width.
    """
    n = parts.effective_examples
    return parts.mean * n / (n + 2), 2 / (n + 2) ** 2


def superiority(mean: float, parts: Crossed) -> float:
    """Return P(A > B) for a mean difference, ties counted half, by the normal approximation.

    The spread is that of a single training on a single set of this many examples (Bouthillier et al. 2021, Accounting
    for Variance in Machine Learning Benchmarks, MLSys).
    """
    from scipy.special import ndtr

    rest = parts.rest if parts.seeds > 1 else 0.0
    spread = float(np.sqrt(parts.seed_variance + (parts.example_variance + rest) / parts.examples))
    if spread == 0:
        return 0.5 if mean == 0 else float(mean > 0)
    return float(ndtr(mean / spread))
