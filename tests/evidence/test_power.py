"""What a design can find, against sums by hand and against simulated comparisons."""

import math
from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest

from benchmarks.simulated import Truth
from tuneoff.evidence.crossed import crossed
from tuneoff.evidence.pairs import p_value
from tuneoff.evidence.power import Design, examples_needed, power, seeds_needed, smallest_difference


def measured(truth, rng):
    """A design with the variances of a truth, averaged over many studies of two techniques."""
    answers = truth.draw(400, rng)
    found = crossed(answers[:, 1].astype(float) - answers[:, 0])
    if truth.seeds == 1:
        parts = (float(found.square.mean()), 0.0, 0.0, 0.0)
    else:
        names = ("square", "seed_variance", "example_variance", "rest")
        parts = tuple(float(getattr(found, name).mean()) for name in names)
    return Design(truth.seeds, truth.examples, *parts, difference=truth.accuracies[1] - truth.accuracies[0])


def test_one_seed_is_the_sum_over_all_outcomes():
    n, share, difference, level = 12, 0.6, 0.4, 0.05
    a, b = (share + difference) / 2, (share - difference) / 2
    total = 0.0
    for x, y in product(range(n + 1), repeat=2):
        if x + y <= n and x + y > 0 and binomtest(x, x + y).pvalue <= level:
            ways = math.comb(n, x) * math.comb(n - x, y)
            total += ways * a**x * b**y * (1 - share) ** (n - x - y)
    assert power(Design(1, n, share, difference=difference), difference, level) == pytest.approx(total, rel=1e-9)


@pytest.mark.parametrize(
    ("seeds", "examples", "middle", "seed_sd", "level"),
    [(1, 307, 0.7, 0.0, 0.005), (3, 1000, 0.7, 0.01, 0.05), (5, 307, 0.6, 0.03, 0.005), (10, 100, 0.8, 0.01, 0.05)],
)
def test_the_power_promised_is_what_simulated_studies_reach(seeds, examples, middle, seed_sd, level):
    rng = np.random.default_rng(seeds)

    def truth(gap):
        return Truth(seeds, examples, (middle - gap / 2, middle + gap / 2), seed_sd)

    gap = smallest_difference(measured(truth(0.0), rng), level)
    answers = truth(gap).draw(1000, rng)
    reached = float((p_value(answers[:, 1].astype(float) - answers[:, 0]) <= level).mean())
    assert abs(reached - power(measured(truth(gap), rng), gap, level)) <= 0.05 + 2 * math.sqrt(0.16 / 1000)
    assert abs(reached - 0.8) <= 0.05 + 2 * math.sqrt(0.16 / 1000)


def test_the_smallest_difference_has_the_power_asked_for():
    one = Design(1, 307, 0.3)
    assert power(one, smallest_difference(one, 0.005, 0.9), 0.005) == pytest.approx(0.9, abs=1e-3)
    several = Design(5, 307, 0.3, 0.0004, 0.1, 0.2)
    assert power(several, smallest_difference(several, 0.005), 0.005) == pytest.approx(0.8, abs=5e-3)


def test_what_is_needed_is_enough_and_hardly_more():
    design = Design(5, 307, 0.3, 0.0001, 0.1, 0.2)
    n = examples_needed(design, 0.05, 0.05)
    assert n > 307
    assert power(Design(5, n, 0.3, 0.0001, 0.1, 0.2), 0.05, 0.05) >= 0.8
    assert power(Design(5, round(0.95 * n), 0.3, 0.0001, 0.1, 0.2), 0.05, 0.05) < 0.8
    seeds = seeds_needed(Design(5, 1000, 0.3, 0.001, 0.05, 0.2), 0.05, 0.05)
    assert seeds > 5
    assert power(Design(seeds, 1000, 0.3, 0.001, 0.05, 0.2), 0.05, 0.05) >= 0.8
    assert power(Design(seeds - 1, 1000, 0.3, 0.001, 0.05, 0.2), 0.05, 0.05) < 0.8


def test_what_cannot_be_reached_is_none():
    noisy = Design(2, 307, 0.3, 0.01, 0.1, 0.2)
    assert smallest_difference(noisy, 0.005) is None
    assert examples_needed(noisy, 0.02, 0.05) is None  # examples do not make seeds agree
    assert seeds_needed(Design(1, 307, 0.3), 0.05, 0.05) is None  # how much seeds differ is not known
    assert seeds_needed(Design(5, 50, 0.3, 0.0, 0.3, 0.0), 0.01, 0.05) is None  # seeds do not make examples


def test_models_that_never_differ_have_no_power_against_nothing():
    assert power(Design(1, 100, 0.0), 0.0, 0.05) == 0.0
    assert smallest_difference(Design(1, 100, 0.0), 0.05) == pytest.approx(0.08, abs=0.03)
    assert smallest_difference(Design(5, 100, 0.0), 0.05) is None
