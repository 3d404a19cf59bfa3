"""The race: rounds, levels, who drops out, and that its error rate holds in simulated studies."""

import numpy as np
import pytest
from scipy.stats import binom

from benchmarks.simulated import Truth
from tuneoff.evidence.answers import Answers
from tuneoff.evidence.pairs import p_value
from tuneoff.evidence.race import levels, race, seeds_by_round

ROUNDS = seeds_by_round(range(5), 20)


def named(answers):
    """Answers (techniques, seeds, examples) by the names a, b, c, ..."""
    rows = np.arange(answers.shape[-1])
    return {
        name: Answers(tuple(range(len(right))), rows, right) for name, right in zip("abcdefgh", answers, strict=False)
    }


def drawn(accuracies, seeds=20, examples=300, seed_sd=0.01, studies=1, seed=0):
    answers = Truth(seeds, examples, accuracies, seed_sd).draw(studies, np.random.default_rng(seed))
    return [named(one) for one in answers]


def test_rounds_double_and_go_on_after_the_largest_seed():
    assert [len(one) for one in ROUNDS] == [5, 10, 20]
    assert seeds_by_round([3, 7], 3) == [[3, 7], [3, 7, 8]]


@pytest.mark.parametrize("sizes", [[5, 10, 20], [2, 3], [1, 2, 4, 8, 16, 32]])
def test_the_looks_spend_the_error_rate_and_no_more(sizes):
    found = levels(sizes)
    assert sum(found) == pytest.approx(0.05) and min(found) > 0
    assert levels([sizes[0], sizes[-1]])[0] == pytest.approx(found[0])


def test_without_a_difference_few_races_find_one():
    studies = drawn((0.7,) * 4, examples=100, studies=200)
    wrong = sum(bool(one.better) for found in studies for one in race("abcd", found, ROUNDS).rounds[:1])
    ever = sum(any(one.better for one in race("abcd", found, ROUNDS).rounds) for found in studies)
    assert wrong <= ever <= binom.ppf(0.9999, 200, 0.05)


def test_a_clear_best_ends_the_race_early_and_the_worst_leave_first():
    (found,) = drawn((0.5, 0.75, 0.95))
    result = race("abc", found, ROUNDS)
    assert result.clear and result.left == ("c",)
    assert result.rounds[0].out[0] == "a" and len(result.rounds) < 3
    assert ("c", "a") in result.rounds[0].better


def test_the_corrected_p_is_that_of_the_look_over_its_level_and_all_pairs():
    (found,) = drawn((0.7, 0.72, 0.74))
    first = race("abc", found, ROUNDS[:1] + ROUNDS[2:])  # the second look has all seeds
    values = found["a"].right[:5].astype(float) - found["c"].right[:5]
    looks = [float(p_value(values)), float(p_value(found["a"].right.astype(float) - found["c"].right))]
    spent = levels([5, 20])
    expected = min(min(1.0, p * 3 * 0.05 / level) for p, level in zip(looks, spent, strict=True))
    assert first.p[frozenset("ac")][0] == pytest.approx(expected)


def test_who_left_is_not_asked_again_and_what_was_found_stays():
    (found,) = drawn((0.5, 0.9, 0.9))
    found["a"] = Answers(found["a"].seeds[:5], found["a"].examples, found["a"].right[:5])
    result = race("abc", found, ROUNDS)
    assert len(result.rounds) == 3 and result.rounds[0].out == ("a",)
    assert result.p[frozenset("ab")][0] <= 0.05


def test_a_round_counts_when_all_in_the_race_have_its_seeds():
    (found,) = drawn((0.7, 0.7))
    found["a"] = Answers(found["a"].seeds[:9], found["a"].examples, found["a"].right[:9])
    result = race("ab", found, ROUNDS)
    assert [one.seeds for one in result.rounds] == [5] and not result.clear
    assert race("ab", {}, ROUNDS).rounds == () and race("ab", {}, ROUNDS).left is None


def test_equal_within_the_margin_is_clear_too():
    (found,) = drawn((0.8, 0.8, 0.6), examples=3000, seed_sd=0.0)
    result = race("abc", found, ROUNDS, margin=0.05)
    assert result.clear and result.left == ("a", "b") and result.rounds[-1].equal == (("a", "b"),)


def test_those_that_failed_are_out_from_the_start():
    (found,) = drawn((0.95, 0.6, 0.6))
    assert race("abc", found, ROUNDS, failed={"a"}).rounds[0].left == ("b", "c")
    assert race("abc", found, ROUNDS, failed={"a", "b"}).clear
