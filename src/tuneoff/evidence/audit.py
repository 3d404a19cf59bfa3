"""What published accuracies support, without the predictions behind them: every pair, tested as far as they allow."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuneoff.evidence.audit_sentences import audit_sentences
from tuneoff.evidence.families import holm
from tuneoff.evidence.published import PublishedAccuracy, PublishedTable

LEVEL, POWER = 0.05, 0.8
# Shares of examples on which exactly one of two fine-tuned models is right, as usual in practice.
SHARES = (0.20, 0.35)
SCENARIOS = ("smallest", "20%", "35%", "largest")


def audit(published: PublishedTable) -> dict[str, Any]:
    """Return what the numbers of a table support, as JSON values; unknown is None, never 0.

    A pair's verdict comes from Fisher's exact test of its two counts of right answers, two-sided, with Holm's
    correction over all pairs, at 5%. Of the counts that the printed digits allow, the two that lie closest are taken.
    Beside it stand the exact McNemar p-values that the predictions would give if they were published, for different
    shares of examples on which exactly one of the two is right: the smallest that the counts allow, 20%, 35%, the
    largest; a share that the counts do not allow is moved to the nearest that they do.
    """
    techniques = published.techniques
    pairs = [_pair(a, b) for a, b in combinations(sorted(techniques, key=lambda one: -one.accuracy), 2)]
    _correct(pairs)
    for pair in pairs:
        pair["verdict"] = "better" if pair["unpaired"]["p_holm"] <= LEVEL else "cannot be told apart"
        _what_it_takes(pair, LEVEL / len(pairs))
    pairs.sort(key=lambda pair: (pair["unpaired"]["p"], -pair["difference"]))
    result = {
        "level": LEVEL,
        "power": POWER,
        "techniques": [vars(one) for one in techniques],
        "unused_columns": list(published.unused),
        "pairs": pairs,
        "smallest_difference": _smallest_difference(techniques, LEVEL / len(pairs)),
    }
    return result | {"sentences": audit_sentences(result)}


def _pair(a: PublishedAccuracy, b: PublishedAccuracy) -> dict[str, Any]:
    from scipy.stats import fisher_exact

    right_a, right_b = _closest_counts(a, b)
    p = float(fisher_exact(np.array([[right_a, a.n - right_a], [right_b, b.n - right_b]])).pvalue)
    return {
        "a": a.technique,
        "b": b.technique,
        "n": [a.n, b.n],
        "accuracy": [a.accuracy, b.accuracy],
        "difference": round(a.accuracy - b.accuracy, 9),
        "right": [right_a, right_b],
        "unpaired": {"p": p},
        "paired": _scenarios(right_a, right_b, a.n) if a.n == b.n else None,
    }


def _closest_counts(a: PublishedAccuracy, b: PublishedAccuracy) -> tuple[int, int]:
    """Return the allowed counts whose shares differ least; a is the one with the higher printed accuracy."""
    if a.fewest / a.n > b.most / b.n:
        return a.fewest, b.most
    if a.n == b.n:
        return (same := min(a.right, b.most)), same
    return a.right, min(max(round(a.right / a.n * b.n), b.fewest), b.most)


def mcnemar_p(discordant: NDArray[np.int64] | np.int64, difference: int) -> NDArray[np.float64]:
    """Return the exact two-sided McNemar p for counts of discordant examples whose two kinds differ by `difference`.

    It is the binomial test that each kind has probability 1/2 (McNemar 1947, Psychometrika 12, 153-157; exact form in
    Mosteller 1952, Biometrics 8, 220-226). `discordant`, one or (k,), and `difference` have the same parity.
    """
    from scipy.special import bdtr

    count = np.asarray(discordant)
    return np.asarray(np.minimum(1.0, 2 * bdtr((count - difference) // 2, count, 0.5)))


def _possible_discordance(right_a: int, right_b: int, n: int) -> NDArray[np.int64]:
    """Return the counts of discordant examples that two counts of right answers allow, ascending.

    With b examples right in a alone and c in b alone, b - c is fixed; c goes from 0 to what the counts leave room for.
    """
    difference = right_a - right_b
    return difference + 2 * np.arange(min(right_b, n - right_a) + 1, dtype=np.int64)


def _scenarios(right_a: int, right_b: int, n: int) -> dict[str, dict[str, Any]]:
    possible = _possible_discordance(right_a, right_b, n)
    chosen = [possible[0], *(possible[np.abs(possible - share * n).argmin()] for share in SHARES), possible[-1]]
    p = mcnemar_p(np.array(chosen), right_a - right_b)
    return {
        name: {"discordant": int(count), "share": int(count) / n, "p": float(value)}
        for name, count, value in zip(SCENARIOS, chosen, p, strict=True)
    }


def _correct(pairs: Sequence[dict[str, Any]]) -> None:
    """Put Holm's adjusted p beside each p, always over all pairs; a pair without paired values counts as p = 1."""
    tests = [[pair["unpaired"] for pair in pairs]]
    tests += [[pair["paired"][name] if pair["paired"] else None for pair in pairs] for name in SCENARIOS]
    for family in tests:
        adjusted = holm([1.0 if entry is None else entry["p"] for entry in family])
        for entry, value in zip(family, adjusted, strict=True):
            if entry is not None:
                entry["p_holm"] = value


def _what_it_takes(pair: dict[str, Any], level: float) -> None:
    """Say how many discordant examples leave the pair decided, and how many examples the printed difference needs.

    `level` is what Holm's correction asks of the smallest p, so that it is enough whatever the other pairs give.
    """
    difference, mean = pair["difference"], sum(pair["accuracy"]) / 2
    pair["decided_up_to"] = None
    if pair["paired"]:
        (right_a, right_b), (n, _) = pair["right"], pair["n"]
        possible = _possible_discordance(right_a, right_b, n)
        # The p-value rises with the discordance while the difference stays.
        few = bisect_right(possible, level, key=lambda count: float(mcnemar_p(count, right_a - right_b)))
        pair["decided_up_to"] = int(possible[few - 1]) if few else None
    pair["examples_needed"] = None
    if difference > 0:
        needed = {"unpaired": examples_unpaired(mean, difference, level)}
        needed |= {f"{share:.0%}": examples_paired(max(share, difference), difference, level) for share in SHARES}
        pair["examples_needed"] = needed


def examples_unpaired(mean: float, difference: float, level: float, power: float = POWER) -> int:
    """Return how many examples each of two techniques needs for Fisher's test to find a difference in accuracy.

    The normal formula with the correction for Fisher's test of Casagrande, Pike & Smith (1978, Biometrics 34,
    483-486), as in Fleiss (1981, Statistical Methods for Rates and Proportions, 3.2). `mean` is that of the two.
    """
    from scipy.stats import norm

    high, low = mean + difference / 2, mean - difference / 2
    spread = norm.isf(level / 2) * math.sqrt(2 * mean * (1 - mean))
    spread += norm.ppf(power) * math.sqrt(max(high * (1 - high) + low * (1 - low), 0.0))
    n = (spread / difference) ** 2
    return math.ceil(n / 4 * (1 + math.sqrt(1 + 4 / (n * difference))) ** 2)


def examples_paired(share: float, difference: float, level: float, power: float = POWER) -> int:
    """Return how many examples McNemar's test needs where exactly one of two is right on a `share` of them.

    Formula of Connor (1987, Biometrics 43, 207-211), with 1 / difference added for the exact test (a continuity
    correction, as for two proportions). `share` is at least `difference`.
    """
    from scipy.stats import norm

    spread = norm.isf(level / 2) * math.sqrt(share) + norm.ppf(power) * math.sqrt(share - difference**2)
    return math.ceil((spread / difference) ** 2 + 1 / difference)


def _smallest_difference(techniques: Sequence[PublishedAccuracy], level: float) -> float | None:
    """Return the difference that n examples find without predictions; None where n differs or none is found."""
    from scipy.optimize import brentq

    mean = sum(one.accuracy for one in techniques) / len(techniques)
    n, widest = techniques[0].n, 2 * min(mean, 1 - mean)
    if len({one.n for one in techniques}) > 1 or widest <= 1 / n or examples_unpaired(mean, widest, level) > n:
        return None
    return float(brentq(lambda difference: examples_unpaired(mean, difference, level) - n, 1 / n, widest))
