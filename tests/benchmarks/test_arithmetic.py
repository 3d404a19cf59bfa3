"""Scaling, ratios and goals, each against numbers worked out by hand."""

import pytest

from benchmarks.arithmetic import (
    FIVE,
    FULL,
    FURTHER,
    LORA,
    MEMORY,
    PROBE,
    UTILISATION,
    Whole,
    goals,
    pairs,
    scaled,
    tokens_per_second,
    utilisation,
)

WHOLE = Whole(steps=100, evaluations=5, step_tokens=50.0, evaluation_tokens=200, feature_tokens=1000)


def part(work="full", peer="notebook", turn=1, **changes):
    """Two steps of 40 and 60 tokens in 8 s, two evaluations of 100 tokens in 3 s, 9 s of anything else."""
    return {
        "work": work,
        "peer": peer,
        "turn": turn,
        "wall": 30.0,
        "seconds": {"load": 4, "tokenize": 1, "features": 0, "training": 8, "evaluation": 3, "apart": 10},
        "steps": [5, 3],
        "evaluations": [2, 1],
        "tokens": {"training": 100, "evaluation": 200, "features": 0},
        "flops": {"training": 4000, "evaluation": 600, "features": 0},
        "matmul_flops_per_second": [900, 1100],
        "further_seed": None,
        "peak": 600,
        "stage_peak": None,
        **changes,
    }


def probe_of_ours(**changes):
    """A probe on vectors: 500 tokens of features in 6 s, 100 steps in 2 s, 5 evaluations in 1 s, 3 s of else."""
    return part(
        "linear-probe",
        "tuneoff",
        wall=12.0,
        seconds={"load": 0, "tokenize": 0, "features": 6, "training": 2, "evaluation": 1, "apart": 0},
        steps=[0.02] * 100,
        evaluations=[0.2] * 5,
        tokens={"training": 0, "evaluation": 0, "features": 500},
        further_seed=0.5,
        **changes,
    )


def test_a_part_is_scaled_by_steps_evaluations_and_their_tokens():
    cost = scaled(part(), WHOLE)
    assert cost.once == 9  # 30 less 10 apart, 8 of training, 3 of evaluation
    assert cost.training == 5 + 99 * 3  # the first step, and 99 like the other; its 50 tokens are the mean
    assert cost.evaluation == 3 / 200 * 200 * 5
    assert cost.features == 0
    assert cost.total == 9 + 302 + 15


def test_long_texts_that_were_drawn_are_not_charged():
    long = part(tokens={"training": 200, "evaluation": 200, "features": 0})
    assert scaled(long, WHOLE).training == scaled(part(), WHOLE).training / 2


def test_what_costs_no_tokens_is_scaled_by_number_and_vectors_by_their_texts():
    cost = scaled(probe_of_ours(), WHOLE)
    assert (cost.once, cost.features, cost.evaluation) == (3, 12, 1)
    assert cost.training == pytest.approx(2)
    half = probe_of_ours() | {"steps": [0.5] + [0.02] * 49}
    assert scaled(half, WHOLE).training == pytest.approx(0.5 + 99 * 0.02)


def test_utilisation_is_useful_operations_over_those_of_a_large_product():
    assert utilisation(part(), "training") == 4000 / (8 * 1000)
    assert utilisation(part(), "features") is None


def test_tokens_a_second_are_unknown_where_there_are_none():
    assert tokens_per_second(part(), "training") == 100 / 8
    assert tokens_per_second(part(), "features") is None


def test_a_peer_is_paired_with_ours_of_its_own_turn():
    parts = [part(), part(peer="tuneoff"), part(peer="trainer", turn=2), part(peer="tuneoff", turn=2, wall=1.0)]
    found = pairs(parts)
    assert found["full", "trainer"].ours["wall"] == 1.0
    assert found["full", "notebook"].ours["turn"] == 1
    assert ("lora", "notebook") not in found


def whole_study():
    ours_full = part(peer="tuneoff", steps=[1, 1], seconds=part()["seconds"] | {"training": 2}, wall=24.0, peak=200)
    ours_lora = part("lora", "tuneoff", steps=[2, 2], seconds=part()["seconds"] | {"training": 4}, wall=26.0)
    return [part("linear-probe"), probe_of_ours(), part(), ours_full, part("lora"), ours_lora]


def test_goals_are_worked_out_as_the_hand_does():
    found = {goal.what: goal for goal in goals(whole_study(), WHOLE)}
    theirs, probe, full, lora = 9 + 302 + 15, 18, 9 + 100 + 15, 9 + 200 + 15
    assert found[PROBE].reached == pytest.approx(theirs / probe)
    assert found[FURTHER].reached == pytest.approx(theirs / 0.5)
    assert found[FULL].reached == pytest.approx(theirs / full)
    assert found[LORA].reached == pytest.approx(theirs / lora)
    assert found[FIVE].reached == pytest.approx(5 * theirs / (probe + 2 * full + 2 * lora))
    assert found[MEMORY].reached == pytest.approx(1 / 3)
    assert found[UTILISATION].reached == 4000 / (2 * 1000)


def test_a_goal_is_met_from_above_or_for_memory_from_below():
    found = {goal.what: goal for goal in goals(whole_study(), WHOLE)}
    assert found[PROBE].met is False and found[FURTHER].met is True
    assert found[MEMORY].met is True


def test_goals_that_nobody_set_are_neither_met_nor_missed():
    parts = [part(peer="trainer-grouped"), part(peer="tuneoff")]
    assert {goal.met for goal in goals(parts, WHOLE) if goal.peer == "trainer-grouped"} == {None}


def test_what_was_not_measured_has_no_goal():
    assert {goal.what for goal in goals([part(), part(peer="tuneoff")], WHOLE)} == {FULL, MEMORY, UTILISATION}
