"""Expected accuracy against tuning budget: the closed form against all subsets, and its bias by simulation."""

from itertools import combinations

import numpy as np
import pytest

from tuneoff.evidence.budget_curve import expected_curve, expected_of_chosen


def slow(dev, reported, k):
    """The mean over all subsets of k trials; of equals each counts alike."""
    found = []
    for subset in combinations(range(len(dev)), k):
        best = max(dev[i] for i in subset)
        found.append(np.mean([reported[i] for i in subset if dev[i] == best]))
    return np.mean(found)


@pytest.mark.parametrize("ties", [False, True])
def test_it_is_the_mean_over_all_subsets(ties):
    rng = np.random.default_rng(1)
    dev, reported = rng.random(8), rng.random(8)
    if ties:
        dev = dev.round(1)
        assert len(set(dev)) < 8
    expected = [slow(dev, reported, k) for k in range(1, 9)]
    assert expected_curve(dev, reported) == pytest.approx(expected)
    assert expected_of_chosen(dev, reported, 3) == pytest.approx(expected[2])


def test_later_keys_decide_between_equals():
    dev = np.array([[0.8, -0.5], [0.8, -0.4], [0.7, -0.1]])
    reported = np.array([0.1, 0.2, 0.3])
    assert expected_curve(dev, reported) == pytest.approx(
        [slow([tuple(row) for row in dev.tolist()], reported, k) for k in (1, 2, 3)]
    )
    assert expected_of_chosen(dev, reported, 3) == pytest.approx(0.2)


def test_ends_are_the_mean_and_the_chosen_one():
    dev, reported = np.array([0.1, 0.9, 0.5]), np.array([0.3, 0.2, 0.7])
    assert expected_curve(dev, reported, [1, 3]) == pytest.approx([0.4, 0.2])


def test_on_dev_itself_it_is_unbiased_where_drawing_with_replacement_is_not():
    """Uniform values: the expected maximum of k is k / (k + 1)."""
    rng = np.random.default_rng(5)
    samples = rng.random((4000, 10))
    unbiased = np.mean([expected_of_chosen(values, values, 7) for values in samples])
    ranks = np.arange(1, 11) / 10
    with_replacement = np.mean(np.sort(samples, axis=1) @ (ranks**7 - (ranks - 0.1) ** 7))
    error = 4 * 0.1 / np.sqrt(4000)
    assert unbiased == pytest.approx(7 / 8, abs=error)
    assert with_replacement < 7 / 8 - 3 * error


def test_hundreds_of_trials_do_not_overflow():
    values = np.linspace(0, 1, 1500)
    assert expected_of_chosen(values, values, 700) == pytest.approx(700 / 701, abs=1e-3)


@pytest.mark.parametrize(
    ("dev", "reported", "trials", "told"),
    [
        ([0.1, 0.2], [0.1, 0.2], 3, "between 1 and 2"),
        ([0.1, 0.2], [0.1, 0.2], 0, "between 1 and 2"),
        ([0.1, 0.2], [0.1], 1, "2 trials on dev"),
        ([], [], 1, "0 trials on dev"),
        ([0.1, np.nan], [0.1, 0.2], 1, "must be finite"),
    ],
)
def test_what_does_not_fit_is_refused(dev, reported, trials, told):
    with pytest.raises(ValueError, match=told):
        expected_of_chosen(np.array(dev), np.array(reported), trials)
