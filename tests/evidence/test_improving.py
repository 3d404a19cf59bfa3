"""The trend at the end of training, against statsmodels and closed forms."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.stats import ttest_1samp

from tuneoff.evidence.improving import LossCurve, trend


def curve(slope_per_100=0.0, noise=0.0, seed=0, evaluations=20, before=0.0):
    """A loss that is `before` higher until the last quarter and then follows a line."""
    rng = np.random.default_rng(seed)
    steps = 23.0 * np.arange(evaluations)
    losses = 0.6 + slope_per_100 / 100 * steps + noise * rng.normal(size=evaluations)
    losses[: -(evaluations // 4)] += before
    return LossCurve(steps, losses)


def test_one_seed_has_the_interval_of_the_regression():
    one = curve(-0.05, noise=0.005)
    fit = sm.OLS(one.losses[-5:], sm.add_constant(one.steps[-5:])).fit()
    found = trend([one])
    assert (found.slope, found.low, found.high) == pytest.approx(
        tuple(100 * np.array([fit.params[1], *fit.conf_int()[1]]))
    )
    assert (found.covers, found.seeds, found.evaluations) == ("evaluations", 1, 5)


def test_several_seeds_have_the_t_interval_of_their_slopes():
    curves = [curve(-0.05, noise=0.02, seed=seed) for seed in range(5)]
    slopes = [100 * np.polyfit(one.steps[-5:], one.losses[-5:], 1)[0] for one in curves]
    expected = ttest_1samp(slopes, 0).confidence_interval(0.95)
    found = trend(curves)
    assert found.slope == pytest.approx(np.mean(slopes))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert (found.covers, found.seeds) == ("seeds", 5)


@pytest.mark.parametrize(
    ("slope", "verdict"), [(-0.1, "still falling"), (0.1, "rising"), (0.0, "flat or cannot be told")]
)
@pytest.mark.parametrize("seeds", [1, 4])
def test_verdicts(slope, verdict, seeds):
    assert trend([curve(slope, noise=0.003, seed=1 + seed) for seed in range(seeds)]).verdict == verdict


def test_only_the_last_quarter_counts():
    assert trend([curve(0.1, noise=0.001, before=5.0)]).verdict == "rising"


@pytest.mark.parametrize("seeds", [1, 4])
def test_a_flat_curve_is_rarely_called_anything_else(seeds):
    """200 flat techniques, evaluations independent: 10 wrong are expected, above 23 with a probability of 0.0001."""
    wrong = sum(
        trend([curve(noise=0.02, seed=10 * study + seed) for seed in range(seeds)]).verdict != "flat or cannot be told"
        for study in range(200)
    )
    assert 0 < wrong <= 23


@pytest.mark.parametrize("evaluations", [3, 4, 8, 12])
def test_three_evaluations_are_used_where_a_quarter_is_fewer(evaluations):
    assert trend([curve(evaluations=evaluations, noise=0.1)]).evaluations == 3


def test_what_cannot_be_known_has_a_reason():
    assert trend([]).reason == trend([curve(evaluations=2)]).reason == "a slope with an interval needs 3 evaluations"
    broken = curve()
    broken.losses[-2] = np.inf
    found = trend([curve(), broken])
    assert (found.slope, found.verdict, found.reason) == (None, "flat or cannot be told", "a loss is not finite")
