"""All pairs of a study: one family, decided right where the truth is known."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from benchmarks.simulated import Truth
from tuneoff.evidence.answers import Answers
from tuneoff.evidence.comparisons import compare_techniques
from tuneoff.evidence.pairs import compare
from tuneoff.evidence.results import build_results


def study(accuracies, seeds=5, examples=1000, seed_sd=0.005):
    answers = Truth(seeds, examples, accuracies, seed_sd).draw(1, np.random.default_rng(1))[0]
    names = "abcdefgh"[: len(accuracies)]
    rows = np.arange(examples)
    return {name: Answers(tuple(range(seeds)), rows, right) for name, right in zip(names, answers, strict=True)}


def test_pairs_are_those_of_two_alone_with_holm_over_all():
    found = study((0.6, 0.7, 0.71))
    pairs = compare_techniques(found)["pairs"]
    for pair in pairs:
        alone = compare(found[pair["a"]].right, found[pair["b"]].right).as_json()
        assert {name: pair[name] for name in alone} == alone
    assert [pair["p_holm"] for pair in pairs] == pytest.approx(
        multipletests([pair["p"] for pair in pairs], method="holm")[1]
    )
    assert [pair["p"] for pair in pairs] == sorted(pair["p"] for pair in pairs)
    assert all(pair["difference"] >= 0 for pair in pairs)


def test_a_large_difference_is_found_and_a_small_one_is_not():
    result = compare_techniques(study((0.6, 0.8, 0.801)))
    verdicts = {frozenset((pair["a"], pair["b"])): pair["kind"] for pair in result["pairs"]}
    assert verdicts == {frozenset("ab"): "better", frozenset("ac"): "better", frozenset("bc"): "open"}
    assert "2 of 3 pairs are told apart" in " ".join(one["text"] for one in result["sentences"])


def test_with_a_margin_techniques_can_be_equal():
    found = study((0.8, 0.8), examples=4000, seed_sd=0.0)
    assert compare_techniques(found, margin=0.03)["pairs"][0]["kind"] == "equal"
    assert compare_techniques(found, margin=0.001)["pairs"][0]["kind"] == "open"
    assert compare_techniques(found)["pairs"][0]["p_equal"] is None


def test_seeds_in_common_are_compared_and_none_in_common_is_said():
    found = study((0.7, 0.7, 0.7), seeds=4)
    a, b, c = (found[name] for name in "abc")
    found["b"] = Answers((1, 2), b.examples, b.right[1:3])
    found["c"] = Answers((7,), c.examples, c.right[:1])
    result = compare_techniques(found)
    assert [pair["seeds"] for pair in result["pairs"]] == [2]
    assert result["pairs"][0]["difference"] == pytest.approx(abs(a.right[1:3].mean() - b.right[1:3].mean()))
    assert result["left_out"] == [["a", "c"], ["b", "c"]]


def test_other_examples_are_not_compared():
    found = study((0.7, 0.7))
    found["b"] = Answers(found["b"].seeds, found["b"].examples + 1, found["b"].right)
    assert compare_techniques(found)["pairs"] == [] and compare_techniques(found)["sentences"] == []


def test_what_is_needed_is_searched_for_the_pairs_that_come_nearest(monkeypatch):
    monkeypatch.setattr("tuneoff.evidence.comparisons.MOST_SEARCHED", 1)
    pairs = compare_techniques(study((0.7, 0.71, 0.72)))["pairs"]
    assert [pair["needs_known"] for pair in pairs] == [True, False, False]
    assert pairs[1]["examples_needed"] is None and pairs[1]["smallest_difference"] is not None


@pytest.mark.parametrize("seeds", [1, 5])
def test_one_technique_under_two_names_gets_no_verdict(tmp_path, made_up, seeds):
    twice = ("full", {"use": "full", "name": "full-again"})
    results = build_results(made_up(techniques=twice, seeds=seeds).write(tmp_path))
    (pair,) = results["comparisons"][0]["pairs"]
    assert pair["kind"] == "open"


def test_no_answers_give_no_pairs():
    assert compare_techniques({})["pairs"] == []
