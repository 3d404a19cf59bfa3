from itertools import combinations

import numpy as np
import pytest

from tuneoff.report.groups import columns, maximal_groups, telling_most


def by_brute_force(count, apart):
    """All sets of two or more without a pair that is told apart, less those that are part of another such set."""
    fit = [
        set(group)
        for size in range(2, count + 1)
        for group in combinations(range(count), size)
        if not any(frozenset(pair) in apart for pair in combinations(group, 2))
    ]
    return sorted(tuple(sorted(group)) for group in fit if not any(group < other for other in fit))


def random_pairs(count, share, seed):
    draws = np.random.default_rng(seed)
    return {frozenset(pair) for pair in combinations(range(count), 2) if draws.random() < share}


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_groups_are_those_of_the_definition(share):
    for seed in range(12):
        count = 2 + seed % 8
        apart = random_pairs(count, share, seed)
        assert maximal_groups(count, apart) == by_brute_force(count, apart)


def test_fifty_techniques_have_their_groups_at_once():
    apart = {frozenset((a, b)) for a, b in combinations(range(50), 2) if b - a > 6}
    assert maximal_groups(50, apart) == [tuple(range(first, first + 7)) for first in range(44)]


def test_a_chart_without_room_for_all_takes_the_groups_with_most_new_pairs():
    groups = [(0, 1), (1, 2, 3), (2, 3, 4), (4, 5, 6, 7)]
    assert telling_most(groups, 4) == groups
    assert telling_most(groups, 2) == [(1, 2, 3), (4, 5, 6, 7)]


def test_groups_share_a_column_where_they_do_not_reach_over_each_other():
    assert columns([(0, 2), (1, 3), (3, 4), (4, 5)]) == [0, 1, 0, 1]
    assert columns([]) == []
