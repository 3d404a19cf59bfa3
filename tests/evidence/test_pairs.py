"""Two techniques on the same examples, against scipy and statsmodels, and at the ends."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from tuneoff.evidence.pairs import compare, not_equal_p, p_value


def models(both, a_alone, b_alone, neither):
    """Answers of one seed, (1, examples) each."""
    a = np.repeat([True, True, False, False], [both, a_alone, b_alone, neither])
    b = np.repeat([True, False, True, False], [both, a_alone, b_alone, neither])
    return a[None], b[None]


@pytest.mark.parametrize("counts", [(50, 20, 8, 30), (10, 3, 0, 17), (100, 0, 0, 5), (0, 40, 40, 0)])
def test_one_seed_has_mcnemars_exact_p(counts):
    both, a_alone, b_alone, neither = counts
    expected = mcnemar([[both, a_alone], [b_alone, neither]], exact=True).pvalue
    assert compare(*models(*counts)).p == pytest.approx(expected)


def test_one_seed_has_the_interval_of_bonett_and_price():
    a_alone, b_alone, n = 30, 12, 150
    found = compare(*models(70, a_alone, b_alone, 38))
    p, q = (a_alone + 1) / (n + 2), (b_alone + 1) / (n + 2)
    half = stats.norm.ppf(0.975) * np.sqrt((p + q - (p - q) ** 2) / (n + 2))
    assert (found.low, found.high) == pytest.approx((p - q - half, p - q + half), abs=2e-3)
    assert found.difference == pytest.approx(18 / 150) and found.discordance == pytest.approx(42 / 150)
    assert found.covers == "examples" and found.seed_sd is None


@pytest.fixture
def several():
    rng = np.random.default_rng(4)
    base = rng.random((1, 200))
    a = base + 0.3 * rng.random((5, 200)) < 0.85 + 0.02 * rng.normal(size=(5, 1))
    b = base + 0.3 * rng.random((5, 200)) < 0.75 + 0.02 * rng.normal(size=(5, 1))
    return a, b


def test_the_order_turns_signs_and_nothing_else(several):
    a, b = several
    one, other = compare(a, b), compare(b, a)
    assert one.p == pytest.approx(other.p)
    assert (one.difference, one.low, one.high) == pytest.approx((-other.difference, -other.high, -other.low))
    assert one.superiority == pytest.approx(1 - other.superiority)
    assert (one.wins, one.losses) == (other.losses, other.wins)


def test_the_p_value_and_the_interval_agree(several):
    found = compare(*several)
    values = several[0].astype(float) - several[1]
    for bound in (found.low, found.high):
        assert float(p_value(values, bound)) == pytest.approx(0.05, rel=1e-3)
    assert found.p < 0.05 and found.low > 0


def test_all_discordant_in_one_direction_leaves_an_interval_of_some_width():
    found = compare(*models(20, 10, 0, 0))
    assert found.low < 10 / 30 < found.high and found.high - found.low > 0.2
    none = compare(*models(30, 0, 0, 0))
    assert none.low < 0 < none.high and none.p == 1.0 and none.superiority == 0.5


def test_the_same_answers_differ_in_nothing():
    a = np.random.default_rng(0).random((5, 40)) < 0.7
    found = compare(a, a)
    assert (found.difference, found.p, found.ties, found.superiority) == (0.0, 1.0, 5, 0.5)


def test_superiority_is_the_share_of_new_trainings_that_win():
    """By simulation: new seeds on new examples, from the effects that the answers were made with."""
    rng = np.random.default_rng(5)

    def answers(level, seeds, examples, hardness):
        return hardness + rng.normal(size=(seeds, examples)) < level + 0.1 * rng.normal(size=(seeds, 1))

    hardness = rng.normal(size=(1, 400))
    found = compare(answers(0.85, 20, 400, hardness), answers(0.75, 20, 400, hardness))
    wins = []
    for _ in range(2000):
        hardness = rng.normal(size=(1, 400))
        a, b = answers(0.85, 1, 400, hardness).sum(), answers(0.75, 1, 400, hardness).sum()
        wins.append((a > b) + (a == b) / 2)
    assert found.superiority_low <= np.mean(wins) <= found.superiority_high


def test_equality_is_found_by_two_one_sided_tests():
    rng = np.random.default_rng(6)
    a, b = rng.random((5, 4000)) < 0.7, rng.random((5, 4000)) < 0.7
    values = a.astype(float) - b
    assert not_equal_p(values, 0.05) < 0.05 < not_equal_p(values, 0.001)
    # The larger of the one-sided tests is the one on the side to which the difference leans.
    sides = [float(p_value(values, margin)) / 2 for margin in (-0.05, 0.05)]
    assert not_equal_p(values, 0.05) == pytest.approx(max(sides))
    shifted = values.copy()
    shifted[:, :800] = 1
    assert not_equal_p(shifted, 0.05) > 0.5


def test_answers_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match="different shapes"):
        compare(np.ones((2, 30), dtype=bool), np.ones((1, 30), dtype=bool))
