"""Intervals of accuracies: by enumeration, against statsmodels, and at the ends."""

import numpy as np
import pytest
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from tuneoff.evidence.crossed import crossed
from tuneoff.evidence.intervals import accuracy_interval, bounds


def one_seed(right, n):
    return np.arange(n)[None] < right


@pytest.mark.parametrize("n", [30, 100, 307, 3000])
def test_one_seed_covers_what_it_should_by_enumeration(n):
    counts = np.arange(n + 1)
    found = [accuracy_interval(one_seed(right, n)) for right in counts]
    low, high = np.array([one.low for one in found]), np.array([one.high for one in found])
    for accuracy in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97):
        coverage = binom.pmf(counts, n, accuracy)[(low <= accuracy) & (accuracy <= high)].sum()
        assert coverage >= 0.93
        if n * (1 - accuracy) >= 10:
            assert coverage <= 0.9705


def test_with_many_examples_it_is_wilsons():
    found = accuracy_interval(one_seed(2100, 3000))
    assert (found.low, found.high) == pytest.approx(proportion_confint(2100, 3000, method="wilson"), abs=2e-4)


@pytest.mark.parametrize("seeds", [1, 5])
def test_all_right_never_gives_an_interval_of_no_width(seeds):
    found = accuracy_interval(np.ones((seeds, 30), dtype=bool))
    assert found.high == 1.0 and 0.85 < found.low < 0.92
    none = accuracy_interval(np.zeros((seeds, 30), dtype=bool))
    assert none.low == 0.0 and none.high == pytest.approx(1 - found.low)


def test_what_it_covers_is_said():
    assert accuracy_interval(one_seed(20, 30)).covers == "examples"
    assert accuracy_interval(np.ones((2, 30), dtype=bool)).covers == "seeds and examples"


def test_seeds_that_differ_make_it_wider_and_seeds_that_agree_do_not_make_it_narrower():
    rng = np.random.default_rng(0)
    same = np.repeat(rng.random((1, 300)) < 0.7, 5, axis=0)
    apart = rng.random((5, 300)) < np.array([0.5, 0.6, 0.7, 0.8, 0.9])[:, None]
    widths = [one.high - one.low for one in map(accuracy_interval, (same[:1], same, apart))]
    assert widths[0] <= widths[1] * 1.001 < widths[2]


def test_many_at_once_are_like_each_by_itself():
    right = np.random.default_rng(1).random((3, 4, 50)) < 0.8
    low, high = bounds(crossed(right))
    alone = [accuracy_interval(one) for one in right]
    assert list(low) == pytest.approx([one.low for one in alone])
    assert list(high) == pytest.approx([one.high for one in alone])
