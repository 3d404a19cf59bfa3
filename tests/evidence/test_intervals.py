"""Intervals of accuracies: by enumeration, against statsmodels, and at the ends."""

import numpy as np
import pytest
from scipy.stats import binom, t
from statsmodels.stats.proportion import proportion_confint

from benchmarks.simulated import Truth
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


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_wrong_answers_have_the_mirrored_interval(seeds):
    right = np.random.default_rng(2).random((7, seeds, 40)) < 0.9
    low, high = bounds(crossed(right))
    other_low, other_high = bounds(crossed(~right))
    assert list(other_low) == pytest.approx(list(1 - high)) and list(other_high) == pytest.approx(list(1 - low))


def test_seeds_that_crowd_against_one_are_covered():
    """A variance between seeds that is held for the same at all accuracies covers 92.2% here."""
    right = Truth(5, 1000, (0.97,), 0.03).draw(4000, np.random.default_rng(3))[:, 0]
    low, high = bounds(crossed(right))
    covered = ((low <= 0.97) & (high >= 0.97)).mean()
    assert 0.935 <= covered <= 0.97
    # It errs about as often on each side, so it reaches further down than up.
    assert (low > 0.97).mean() < 0.045
    assert np.median(right.mean((1, 2)) - low) > 1.5 * np.median(high - right.mean((1, 2)))


def test_where_seeds_vary_and_accuracy_is_one_half_it_is_students():
    shares = np.array([0.45, 0.48, 0.5, 0.52, 0.55])
    right = np.random.default_rng(0).random((5, 100_000)) < shares[:, None]
    low, high = bounds(crossed(right))
    means = right.mean(1)
    expected = t.ppf(0.975, 4) * means.std(ddof=1) / np.sqrt(5)
    assert (float(high) - float(low)) / 2 == pytest.approx(expected, rel=0.05)


def test_a_single_error_is_hardly_worse_than_none():
    """By chance next to 1, a share has nearly no slope on the probit scale; unbounded, the growth would reach 0.77."""
    one = np.ones((5, 30), dtype=bool)
    one[0, 0] = False
    assert accuracy_interval(one).low > accuracy_interval(np.ones((5, 30), dtype=bool)).low - 0.02


def test_zeros_and_ones_tell_their_variance_the_better_the_nearer_to_one_half():
    """20 seeds: the interval in units of its own error is wider near 1 than at one half."""

    def quantile(accuracy):
        right = Truth(20, 30, (accuracy,)).draw(500, np.random.default_rng(0))[:, 0]
        parts = crossed(right)
        low, high = bounds(parts)
        return np.median((high - low) / 2 / np.sqrt(parts.variance))

    assert 1.8 < quantile(0.5) < quantile(0.9) < 2.4
