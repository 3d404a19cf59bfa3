"""Ranks over tasks, against scipy, against the definitions written the slow way, and against Demšar's example."""

import math
from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats

from tuneoff.evidence.families import holm
from tuneoff.evidence.ranks import (
    EXACT,
    IMAN_DAVENPORT,
    critical_difference,
    friedman,
    mean_interval,
    ranks,
    signed_rank_p,
    signed_rank_sum,
    smallest_p,
    tasks_needed,
)

# J. Demšar (2006), Statistical Comparisons of Classifiers over Multiple Data Sets, JMLR 7, 1-30, table 6: AUC on 14
# data sets of C4.5 with m and cf at their defaults, m tuned, cf tuned, and both tuned. Of the two 0.975 in one row the
# first is the higher, by digits that are not printed: only then are the mean ranks those of the paper.
DEMSAR = np.array(
    [
        *([0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967]),
        *([0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931]),
        *([0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875]),
        *([1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669]),
        *([0.972, 0.981, 0.9751, 0.975], [0.957, 0.978, 0.946, 0.970]),
    ]
)


def made_up_accuracies(tasks, techniques, seed, ties=False):
    values = np.random.default_rng(seed).uniform(0.4, 0.9, size=(tasks, techniques))
    return values.round(1) if ties else values


def test_ranks_are_those_of_the_paper():
    assert ranks(DEMSAR).mean(axis=0).round(3).tolist() == [3.143, 2.0, 2.893, 1.964]


def test_friedman_is_that_of_the_paper_but_for_its_ties():
    # Page 12: 9.28 and F(3, 39) = 3.69 by the formula without ties; the correction makes them larger, p smaller.
    sums = ranks(DEMSAR).mean(axis=0)
    plain = 12 * 14 / (4 * 5) * ((sums**2).sum() - 4 * 25 / 4)
    assert (round(plain, 2), round(13 * plain / (14 * 3 - plain), 2)) == (9.28, 3.69)
    found = friedman(DEMSAR)
    assert found.statistic > plain and found.freedom == (3, 39) and found.method == IMAN_DAVENPORT
    assert found.p < stats.f.sf(3.69, 3, 39) < 0.05


def test_the_critical_difference_is_that_of_the_paper():
    # Page 12: 2.569 sqrt(4 * 5 / (6 * 14)) = 1.25 at 5%, 1.12 at 10%; table 5 (a): 2.728 for five, 3.164 for ten.
    assert round(critical_difference(4, 14, 0.05), 2) == 1.25
    assert round(critical_difference(4, 14, 0.10), 2) == 1.12
    for techniques, q in ((2, 1.960), (5, 2.728), (10, 3.164)):
        unit = math.sqrt(techniques * (techniques + 1) / 6)
        assert critical_difference(techniques, 1, 0.05) == pytest.approx(q * unit, rel=5e-4)


def test_the_signed_ranks_are_those_of_the_paper():
    # Table 2 and page 7: C4.5 with m tuned over the default: R+ = 93, R- = 12, the ranks of the zeros split evenly.
    difference = DEMSAR[:, 1] - DEMSAR[:, 0]
    assert signed_rank_sum(difference) == 93 - 12
    assert signed_rank_p(difference) < 0.05


@pytest.mark.parametrize(("tasks", "techniques"), [(5, 3), (12, 4), (20, 6)])
@pytest.mark.parametrize("ties", [False, True])
def test_friedman_is_scipys(tasks, techniques, ties):
    values = made_up_accuracies(tasks, techniques, tasks, ties)
    statistic = stats.friedmanchisquare(*values.T).statistic
    found = friedman(values)
    assert found.statistic == pytest.approx(statistic)
    f = (tasks - 1) * statistic / (tasks * (techniques - 1) - statistic)
    assert found.f == pytest.approx(f)
    if found.method == IMAN_DAVENPORT:
        assert found.p == pytest.approx(stats.f.sf(f, techniques - 1, (techniques - 1) * (tasks - 1)))


@pytest.mark.parametrize("ties", [False, True])
def test_friedman_of_few_tasks_counts_all_arrangements(ties):
    values = made_up_accuracies(3, 3, 7, ties)
    found = friedman(values)
    assert found.method == EXACT
    observed = stats.friedmanchisquare(*values.T).statistic
    arranged = [
        stats.friedmanchisquare(*np.array(rows).T).statistic
        for rows in product(*(list(permutations(row)) for row in values))
    ]
    assert found.p == pytest.approx(np.mean(np.array(arranged) >= observed - 1e-9))


def test_the_same_order_everywhere_has_the_smallest_p_there_is():
    # Tables of Friedman's test (Hollander & Wolfe): three techniques, three tasks, statistic 6: p = 0.028.
    values = np.tile([0.5, 0.6, 0.7], (3, 1))
    found = friedman(values)
    assert (found.statistic, found.f) == (pytest.approx(6), None) and round(found.p, 3) == 0.028
    many = friedman(np.tile([0.5, 0.6, 0.7, 0.8, 0.9], (12, 1)))
    assert many.p == pytest.approx(1 / 120**11)


def test_nothing_differs_where_all_are_equal():
    found = friedman(np.full((4, 3), 0.5))
    assert (found.statistic, found.f, found.p) == (None, None, 1.0)
    assert signed_rank_p(np.zeros(8)) == 1.0


@pytest.mark.parametrize("tasks", [5, 8, 13])
def test_the_signed_rank_test_is_scipys_where_there_are_no_ties(tasks):
    differences = np.random.default_rng(tasks).normal(0.3, 1, size=tasks)
    expected = stats.wilcoxon(differences, method="exact")
    assert signed_rank_p(differences) == pytest.approx(expected.pvalue)


def test_the_signed_rank_test_counts_all_signs_with_ties_and_zeros():
    differences = np.array([0.1, -0.1, 0.2, 0.2, 0.0, 0.3, 0.0, 0.4, -0.2])
    sizes = stats.rankdata(np.abs(differences.round(10)))
    observed = abs((np.sign(differences) * sizes).sum())
    signed = sizes[differences != 0]
    sums = np.array([np.dot(signs, signed) for signs in product((1, -1), repeat=len(signed))])
    assert signed_rank_p(differences) == pytest.approx(np.mean(np.abs(sums) >= observed - 1e-9))
    expected = stats.wilcoxon(differences, zero_method="pratt", method=stats.PermutationMethod(n_resamples=10**5))
    assert signed_rank_p(differences) == pytest.approx(expected.pvalue)


def test_differences_that_only_rounding_tells_apart_are_equal():
    near = np.array([0.1 + 0.2, 0.3, 0.6]) - np.array([0.3, 0.3, 0.3])
    assert signed_rank_sum(near) == signed_rank_sum([0.0, 0.0, 0.3])


@pytest.mark.parametrize("tasks", range(2, 9))
def test_no_test_over_few_tasks_can_have_a_smaller_p(tasks):
    every = [signed_rank_p(np.arange(1, tasks + 1) * np.array(signs)) for signs in product((1, -1), repeat=tasks)]
    assert min(every) == pytest.approx(smallest_p(tasks, 1))
    pairs = holm([min(every)] * 3)
    assert min(pairs) == pytest.approx(smallest_p(tasks, 3))


def test_how_many_tasks_it_takes():
    assert [tasks_needed(pairs, 0.05) for pairs in (1, 3, 10)] == [6, 7, 9]
    for pairs in (1, 3, 10):
        needed = tasks_needed(pairs, 0.05)
        assert smallest_p(needed, pairs) <= 0.05 < smallest_p(needed - 1, pairs)


def test_signed_ranks_hold_their_level_where_nothing_differs():
    rng = np.random.default_rng(0)
    false = np.mean([signed_rank_p(rng.normal(size=9)) <= 0.05 for _ in range(2_000)])
    assert 0.03 < false <= 0.06


def test_the_mean_of_symmetric_intervals_has_the_root_of_the_summed_squares():
    mean, low, high = mean_interval([(0.1, 0.0, 0.2), (0.3, 0.1, 0.5)])
    half = math.sqrt(0.1**2 + 0.2**2) / 2
    assert (mean, low, high) == pytest.approx((0.2, 0.2 - half, 0.2 + half))
    _, low, high = mean_interval([(0.1, 0.0, 0.4), (0.1, 0.0, 0.4)])
    assert high - 0.1 == pytest.approx(3 * (0.1 - low))


def test_the_mean_over_tasks_is_covered_as_often_as_promised():
    rng = np.random.default_rng(1)
    true, sizes = np.array([0.0, 0.1, 0.3]), np.array([0.02, 0.05, 0.03])
    values = rng.normal(true, sizes, size=(4_000, 3))
    bounds = [
        mean_interval([(v, v - 1.96 * s, v + 1.96 * s) for v, s in zip(row, sizes, strict=True)]) for row in values
    ]
    covered = np.mean([low <= true.mean() <= high for _, low, high in bounds])
    assert 0.94 < covered < 0.96
