"""Is the instrument right? False verdicts and coverage in 200 simulated studies a design; wrong methods are found."""

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks.instrument import (
    all_answers_independent,
    bootstrap_over_seeds,
    bounds,
    covered,
    crossed,
    simulate,
    t_over_seeds,
)
from benchmarks.simulated import Truth

STUDIES = 200


@pytest.mark.parametrize(
    ("seeds", "examples", "accuracy", "seed_sd"),
    [
        (1, 30, 0.7, 0.0),
        (1, 300, 0.6, 0.0),
        (1, 1000, 0.97, 0.0),
        (2, 100, 0.7, 0.02),
        (3, 300, 0.8, 0.01),
        (5, 30, 0.5, 0.03),
        (5, 300, 0.6, 0.0),
        (5, 300, 0.7, 0.03),
        (10, 100, 0.9, 0.01),
    ],
)
def test_without_a_difference_there_are_few_verdicts_and_intervals_cover(seeds, examples, accuracy, seed_sd):
    found = simulate(Truth(seeds, examples, (accuracy,) * 5, seed_sd), STUDIES)
    # At a rate of 5%, more would be counted in one of ten thousand runs of this test.
    assert found.false_verdicts * STUDIES <= binom.ppf(0.9999, STUDIES, 0.05)
    # 1,000 intervals whose fives share their examples: at 93%, fewer would be covered in one of thousands.
    assert found.accuracy_covered >= 0.93 - 0.02
    assert found.difference_covered >= 0.93


def test_methods_that_forget_the_examples_or_the_seeds_are_found_out():
    without_spread = Truth(5, 300, (0.7,) * 5, 0.0).draw(STUDIES, np.random.default_rng(0))
    with_spread = Truth(5, 1000, (0.7,) * 5, 0.03).draw(STUDIES, np.random.default_rng(0))
    assert covered(all_answers_independent(without_spread), 0.7).mean() < 0.85
    assert covered(t_over_seeds(without_spread), 0.7).mean() < 0.85
    assert covered(all_answers_independent(with_spread), 0.7).mean() < 0.7
    assert covered(bootstrap_over_seeds(with_spread), 0.7).mean() < 0.87
    for answers in (without_spread, with_spread):
        assert covered(bounds(crossed(answers)), 0.7).mean() >= 0.93


def test_testing_pairs_without_correction_finds_too_much():
    """The same studies, each pair by itself: without Holm more than 5% of studies have a false verdict."""
    from benchmarks.instrument import pairs_of
    from tuneoff.evidence.pairs import p_value

    answers = Truth(5, 100, (0.7,) * 5, 0.0).draw(STUDIES, np.random.default_rng(0))
    assert (p_value(pairs_of(answers)).min(axis=-1) <= 0.05).mean() > 0.1
