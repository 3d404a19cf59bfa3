"""The cost of the choice: the Pareto front against its definition, and what is taken within limits."""

import numpy as np
import pytest

from tuneoff.evidence.choice import Candidate, Limits, choose, pareto_front

HOUR, GB = 3600.0, 1e9


def candidate(name, accuracy, seconds, memory=GB, parameters=1000):
    return Candidate(name, accuracy, seconds, memory, parameters)


FULL = candidate("full", 0.66, 3 * HOUR, 12 * GB, 118_000_000)
LORA = candidate("lora", 0.65, HOUR, 5 * GB, 300_000)
PROBE = candidate("linear-probe", 0.58, 60.0, 2 * GB, 800)
TOP = candidate("top-layers", 0.64, 1800.0, 3 * GB, 3_500_000)
ALL = [FULL, LORA, PROBE, TOP]


def reasons(choice):
    return {aside["values"]["name"]: aside["id"] for aside in choice.set_aside}


# The front


def test_the_front_has_what_nothing_dominates():
    worse = candidate("worse", 0.57, 61.0, 2 * GB, 900)
    assert pareto_front([*ALL, worse]) == ["full", "lora", "linear-probe", "top-layers"]
    assert pareto_front([*ALL, candidate("new", 0.66, 59.0, GB, 1)]) == ["new"]


def test_equals_are_both_on_the_front_and_of_equal_costs_the_accuracy_decides():
    twins = [candidate("a", 0.6, 1.0), candidate("b", 0.6, 1.0), candidate("c", 0.59, 1.0)]
    assert pareto_front(twins) == ["a", "b"]


def test_chosen_costs_alone_count():
    slow_small, fast_large = candidate("s", 0.6, 9.0, 1.0), candidate("f", 0.61, 1.0, 9.0)
    assert pareto_front([slow_small, fast_large]) == ["s", "f"]
    assert pareto_front([slow_small, fast_large], ["seconds"]) == ["f"]


def test_what_is_unknown_neither_beats_nor_is_beaten():
    unknown = candidate("u", 0.50, None)
    assert pareto_front([candidate("a", 0.6, 1.0), unknown]) == ["a", "u"]
    nobody = [candidate("a", 0.6, 1.0, None), candidate("b", 0.5, 1.0, None)]
    assert pareto_front(nobody) == ["a"]
    assert pareto_front([candidate("failed", None, 1.0)]) == []


def test_the_front_agrees_with_its_definition_on_random_points():
    rng = np.random.default_rng(0)
    points = rng.integers(0, 5, size=(40, 4)).tolist()
    found = pareto_front([Candidate(str(i), a, s, m, p) for i, (a, s, m, p) in enumerate(points)])
    scores = [(-a, s, m, p) for a, s, m, p in points]
    expected = [str(i) for i, x in enumerate(scores) if not any(y != x and all(np.less_equal(y, x)) for y in scores)]
    assert found == expected and 1 < len(found) < 40


# The choice


def test_the_cheapest_of_those_that_cannot_be_told_apart_from_the_best_is_taken():
    choice = choose(ALL, {("full", "linear-probe"), ("lora", "linear-probe")})
    assert choice.name == "top-layers" and choice.contenders == ("top-layers", "lora", "full")
    assert choice.why["id"] == "cheapest_of_contenders" and "no proof that they are equal" in choice.why["text"]
    assert choice.why["values"]["best"] == "full" and reasons(choice) == {"linear-probe": "worse"}


def test_without_any_verdict_the_cheapest_of_all_is_taken():
    assert choose(ALL, set()).name == "linear-probe"


def test_the_best_is_taken_where_all_others_are_worse():
    choice = choose(ALL, {("full", name) for name in ("lora", "linear-probe", "top-layers")})
    assert (choice.name, choice.why["id"], choice.contenders) == ("full", "best_and_cheapest", ("full",))


def test_limits_come_first_and_only_what_is_within_them_can_beat():
    """full alone is known to beat the probe; where full does not fit, nothing speaks against the probe."""
    told = {("full", "linear-probe"), ("lora", "top-layers")}
    choice = choose(ALL, told, Limits(seconds=HOUR, memory_bytes=8 * GB))
    assert choice.name == "linear-probe" and choice.contenders == ("linear-probe", "lora")
    assert reasons(choice) == {"full": "too_slow", "top-layers": "worse"}
    assert choose(ALL, told, Limits(memory_bytes=4 * GB)).contenders == ("linear-probe", "top-layers")
    assert reasons(choose(ALL, told, Limits(memory_bytes=4 * GB)))["lora"] == "too_large"


def test_a_limit_that_is_just_met_is_met():
    assert "lora" in choose(ALL, set(), Limits(seconds=HOUR, memory_bytes=5 * GB)).contenders


def test_one_worse_than_another_equal_of_the_best_is_not_taken():
    told = {("lora", "linear-probe")}
    assert choose([FULL, LORA, PROBE], told).name == "lora"


def test_nothing_fits_and_one_fits():
    none = choose(ALL, set(), Limits(seconds=1.0))
    assert (none.name, none.why["id"], none.contenders) == (None, "none_fits", ()) and len(none.set_aside) == 4
    assert choose(ALL, set(), Limits(seconds=61.0)).why["id"] == "only_one"


def test_unknown_costs_are_not_taken_to_be_within_a_limit():
    unknown = candidate("u", 0.9, None, None)
    assert reasons(choose([unknown, PROBE], set(), Limits(seconds=HOUR)))["u"] == "cost_unknown"
    assert reasons(choose([unknown, PROBE], set(), Limits(memory_bytes=GB * 9)))["u"] == "cost_unknown"
    assert choose([unknown, PROBE], set()).contenders == ("linear-probe", "u")
    assert reasons(choose([candidate("failed", None, 1.0), PROBE], set())) == {"failed": "no_accuracy"}


@pytest.mark.parametrize(("cost", "name"), [("memory_bytes", "b"), ("trained_parameters", "c"), ("seconds", "a")])
def test_what_cheap_means_can_be_said(cost, name):
    three = [candidate("a", 0.6, 1.0, 9.0, 9), candidate("b", 0.6, 9.0, 1.0, 9), candidate("c", 0.6, 9.0, 9.0, 1)]
    assert choose(three, set(), cheapest_by=cost).name == name
