"""Every pair of a study's techniques: how they differ, how surely, what could have been found, and a verdict."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from tuneoff.evidence.answers import Answers
from tuneoff.evidence.crossed import crossed
from tuneoff.evidence.families import holm
from tuneoff.evidence.pairs import compare, not_equal_p
from tuneoff.evidence.power import POWER, Design, examples_needed, seeds_needed, smallest_difference
from tuneoff.evidence.race import levels, seeds_by_round
from tuneoff.evidence.rounds import Standing
from tuneoff.evidence.verdicts import ALPHA, kind, summary, verdict

# What it takes to decide a pair is searched for; of many techniques, for the pairs that come nearest only.
MOST_SEARCHED = 60


def compare_techniques(
    found: Mapping[str, Answers], margin: float | None = None, standing: Standing | None = None
) -> dict[str, Any]:
    """Return all pairs of techniques as JSON values, those with the smallest p first, with verdicts and a summary.

    A pair is compared over the seeds that both have, on the examples that both were measured on; one with no seed
    in common, or measured on other examples, is named in `left_out`. In a pair, a has the higher mean accuracy. All
    pairs are one family for Holm's correction, at 5%; with a `margin`, the tests of equality are a second one. Where
    seeds were added until it was clear, the corrected p-values are those of the race, `standing`.
    """
    order = list(found)
    means = {name: float(found[name].right.mean()) for name in order}
    pairs, left_out = [], []
    for first, second in combinations(order, 2):
        a, b = (first, second) if means[first] >= means[second] else (second, first)
        seeds = [seed for seed in found[a].seeds if seed in found[b].seeds]
        if not seeds or not np.array_equal(found[a].examples, found[b].examples):
            left_out.append([first, second])
            continue
        pairs.append(_pair(a, b, found[a].of(seeds), found[b].of(seeds), margin))
    level = ALPHA / max(len(pairs), 1)
    if standing is None:
        _correct(pairs, margin)
    else:
        level = _correct_by_race(pairs, margin, standing)
    _decide(pairs, margin, level)
    result: dict[str, Any] = {"level": ALPHA, "power": POWER, "margin": margin, "pairs": pairs, "left_out": left_out}
    raced = [] if standing is None else standing.sentences()
    result["race"] = None if standing is None else standing.as_json()
    return {**result, "sentences": [*raced, *summary(result)]}


def _pair(a: str, b: str, right_a: Any, right_b: Any, margin: float | None) -> dict[str, Any]:
    compared = compare(right_a, right_b).as_json()
    values = right_a.astype(np.float64) - right_b
    p_equal = None if margin is None else not_equal_p(values, margin)
    return {"a": a, "b": b, **compared, "p_equal": p_equal, "_design": Design.of(crossed(values))}


def _correct(pairs: Sequence[dict[str, Any]], margin: float | None) -> None:
    """Add the p-values corrected by Holm over all pairs."""
    for pair, p in zip(pairs, holm([pair["p"] for pair in pairs]), strict=True):
        pair["p_holm"] = p
    equal: Sequence[float | None] = [None] * len(pairs)
    if margin is not None:
        equal = holm([pair["p_equal"] for pair in pairs])
    for pair, p_equal in zip(pairs, equal, strict=True):
        pair["p_equal_holm"] = p_equal


def _correct_by_race(pairs: Sequence[dict[str, Any]], margin: float | None, standing: Standing) -> float:
    """Add the p-values that the race has corrected for its looks and pairs; return the level of a test at its end."""
    for pair in pairs:
        p, p_equal = standing.race.p.get(frozenset((pair["a"], pair["b"])), (1.0, 1.0))
        pair["p_holm"], pair["p_equal_holm"] = p, None if margin is None else p_equal
    rounds = seeds_by_round(standing.first, standing.most)
    return levels([len(one) for one in rounds])[-1] / math.comb(len(standing.techniques), 2)


def _decide(pairs: list[dict[str, Any]], margin: float | None, level: float) -> None:
    """Add to each pair what the design finds and needs at a level, and the verdict; sort them by their p."""
    pairs.sort(key=lambda pair: (pair["p_holm"], pair["p"], -pair["difference"]))
    for place, pair in enumerate(pairs):
        pair["kind"] = kind(pair)
        _reach(pair, level, pair["kind"] == "open" and place < MOST_SEARCHED)
        pair["verdict"] = verdict(pair, level, margin)


def _reach(pair: dict[str, Any], level: float, searched: bool) -> None:
    """Add the smallest difference that the design finds, and what it would take to find the one measured."""
    design: Design = pair.pop("_design")
    pair["smallest_difference"] = smallest_difference(design, level)
    pair["needs_known"] = searched
    searched = searched and pair["difference"] >= 0.0005
    pair["examples_needed"] = examples_needed(design, pair["difference"], level) if searched else None
    pair["seeds_needed"] = seeds_needed(design, pair["difference"], level) if searched else None
