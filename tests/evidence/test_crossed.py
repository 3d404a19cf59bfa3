"""The analysis of variance over seeds and examples, against statsmodels and closed forms."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm

from tuneoff.evidence.crossed import crossed, half_width, tail


@pytest.fixture
def values():
    rng = np.random.default_rng(3)
    return rng.normal(size=(4, 1)) * 0.5 + rng.normal(size=(1, 25)) + rng.normal(size=(4, 25))


def test_the_mean_squares_are_those_of_statsmodels(values):
    seeds, examples = np.indices(values.shape)
    frame = pd.DataFrame({"y": values.ravel(), "seed": seeds.ravel(), "example": examples.ravel()})
    table = anova_lm(ols("y ~ C(seed) + C(example)", frame).fit())
    squares = table["sum_sq"] / table["df"]
    found = crossed(values)
    assert [found.of_seeds, found.of_examples, found.rest] == pytest.approx(list(squares), rel=1e-9)


def test_many_are_analysed_at_once_like_each_by_itself(values):
    both = crossed(np.stack([values, values**2]))
    for place, alone in enumerate((crossed(values), crossed(values**2))):
        assert both.variance[place] == pytest.approx(float(alone.variance))
        assert tail([0.3, 0.3], both)[place] == pytest.approx(float(tail(0.3, alone)))


def test_with_one_seed_the_tail_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).normal(size=(1, 50))
    error = values.std(ddof=1) / np.sqrt(50)
    assert float(tail(0.3, crossed(values))) == pytest.approx(2 * stats.norm.sf(0.3 / error))
    assert float(half_width(0.95, crossed(values))) == pytest.approx(stats.norm.ppf(0.975) * error, rel=1e-6)


def test_where_examples_hardly_count_it_is_the_t_test_over_seeds():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(5, 1)) + 1e-4 * rng.normal(size=(5, 2000))
    means = values.mean(axis=1)
    assert float(tail(means.mean(), crossed(values))) == pytest.approx(stats.ttest_1samp(means, 0.0).pvalue, rel=0.01)


def test_where_seeds_do_not_count_the_tail_is_wider_than_that_of_the_examples_alone():
    values = np.repeat(np.random.default_rng(2).normal(size=(1, 400)), 5, axis=0)
    error = values[0].std(ddof=1) / np.sqrt(400)
    p = float(tail(2 * error, crossed(values)))
    assert 2 * stats.norm.sf(2) * 0.95 < p < 0.08


def test_the_half_width_has_the_tail_that_is_asked_for(values):
    for level in (0.9, 0.95, 0.999):
        assert float(tail(half_width(level, crossed(values)), crossed(values))) == pytest.approx(1 - level, rel=0.01)


def test_the_examples_part_has_the_degrees_of_freedom_that_it_is_given():
    values = np.repeat(np.random.default_rng(2).normal(size=(1, 30)), 5, axis=0)
    parts = crossed(values)  # seeds that agree leave no variance between them possible
    error = values[0].std(ddof=1) / np.sqrt(30)
    for degrees in (5.0, 29.0, 1e6):
        assert float(tail(2 * error, parts, degrees=degrees)) == pytest.approx(2 * stats.t.sf(2, degrees))
        width = float(half_width(0.95, parts, degrees=degrees))
        assert width == pytest.approx(stats.t.ppf(0.975, degrees) * error, rel=1e-5)
    assert float(tail(2 * error, parts)) == pytest.approx(float(tail(2 * error, parts, degrees=29)))


def test_a_mean_at_what_is_supposed_has_a_p_of_one(values):
    assert float(tail(0.0, crossed(values))) == pytest.approx(1.0)
    assert float(tail(0.0, crossed(np.ones((3, 10))))) == 1.0


def test_answers_at_random_under_each_seed_count_as_independent_and_no_more():
    ones = np.zeros((4, 100))
    ones[0, ::4], ones[1, 1::4], ones[2, 2::4], ones[3, 3::4] = 1, 1, 1, 1
    parts = crossed(ones)
    assert float(parts.of_examples) == 0  # each example's mean is the same
    assert float(parts.variance) == pytest.approx(0.25 * 0.75 / 400)


def test_too_little_is_refused():
    with pytest.raises(ValueError, match="two examples"):
        crossed(np.zeros((3, 1)))
