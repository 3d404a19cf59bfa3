import pytest

from tuneoff.evidence import build_results
from tuneoff.evidence.choice import Candidate
from tuneoff.report.choice_table import EIGHT_GB, HOUR, STEPS, candidates, choice_table, choices, dividing, limits_of
from tuneoff.report.words import Words


def times(costs):
    return dividing(costs, STEPS["seconds"], HOUR)


def test_limits_are_round_and_each_leaves_some_in_and_some_out():
    assert times([121, 133, 177, 272, 299]) == [150, 180]
    assert times([50, 7000]) == [3600]
    assert times([1000, 3000, 4000, 9000]) == [3600]
    assert dividing([3e9, 9.5e9], STEPS["memory_bytes"], EIGHT_GB) == [8e9]
    for costs in ([10, 20], [61, 62.5, 900, 4000, 4100], [float(cost**3) for cost in range(1, 31)]):
        limits = times(costs)
        assert limits and all(0 < sum(cost <= limit for cost in costs) < len(costs) for limit in limits)


@pytest.mark.parametrize("costs", [[], [5.0], [7.0, 7.0], [13.6, 14.0], [100.2, 100.4]])
def test_costs_that_no_round_number_divides_give_no_limit(costs):
    assert times(costs) == []


@pytest.fixture
def results(tmp_path, made_up):
    """Full is slow, large and the best; lora cheaper; the probe cheapest and worse than full."""
    built = build_results(
        made_up(techniques=("full", "lora", "linear-probe"), seeds=2, steps=4, eval_every=2).write(tmp_path)
    )
    costs = {"full": (0.8, 7200.0, 12e9), "lora": (0.78, 2000.0, 6e9), "linear-probe": (0.6, 90.0, 2e9)}
    for row in built["techniques"]:
        row["metrics"]["accuracy"]["mean"], row["seconds_total"]["alone"], peak = costs[row["technique"]]
        row["peak_memory"] = {"bytes": peak, "kind": "resident"}
    for pair in built["comparisons"][0]["pairs"]:
        a, b = sorted((pair["a"], pair["b"]), key=lambda name: -costs[name][0])
        pair |= {"a": a, "b": b, "kind": "better" if (a, b) == ("full", "linear-probe") else "open"}
    return built


def test_each_limit_names_the_technique_to_take_and_why(results):
    table = choice_table(results)
    # Within an hour full, which is better than the probe, is not to be had.
    taken = [(row[0].text, row[1].value, row[2].value) for row in table.rows]
    assert taken == [
        ("none", "lora", "cheapest_of_contenders"),
        ("time: 30 min 00 s", "linear-probe", "only_one"),
        ("time: 1 h 00 min 00 s", "linear-probe", "cheapest_of_contenders"),
        ("peak memory: 5 GB", "linear-probe", "only_one"),
        ("peak memory: 8 GB", "linear-probe", "cheapest_of_contenders"),
    ]
    assert table.rows[0][2].text.startswith("lora (0.780): full has a higher accuracy (0.800)")


def test_peaks_of_different_kinds_are_no_limit(results):
    results["techniques"][0]["peak_memory"]["kind"] = "allocated by torch"
    assert all(one.memory_bytes is None for one in candidates(results, "small-e5"))
    assert not any("memory" in row[0].text for row in choice_table(results).rows)


def test_a_study_without_a_result_has_no_choice(tmp_path, made_up):
    store = made_up(techniques=("lora",), missing=(("lora", 0),)).write(tmp_path)
    assert choice_table(build_results(store)).rows == []


def test_no_limit_lies_between_costs_that_two_runs_of_one_technique_may_have():
    def limits(*costs):
        return limits_of([Candidate(str(n), 0.5, seconds, peak, 1) for n, (seconds, peak) in enumerate(costs)])[1:]

    assert limits((12.3, 1e9), (15.1, 1.05e9)) == []
    assert [one.seconds for one in limits((12.3, 1e9), (15.1, 1e9), (23.2, 1e9))] == [20]
    assert [one.memory_bytes for one in limits((12.0, 6e9), (13.0, 9e9))] == [8e9]
    assert [one.seconds for one in limits((3500.0, 1e9), (3700.0, 1e9))] == []  # the usual hour neither


def test_limits_with_one_answer_are_one_row(results):
    for pair in results["comparisons"][0]["pairs"]:
        pair["kind"] = "open"
    results["study"]["notices"] = []
    assert [row[1].text for row in choice_table(results).rows] == ["linear-probe"] * 5
    found = [[cell.text for cell in row] for row in choices(results).rows]
    assert [row[0] for row in found] == [
        "none",
        "time: 30 min 00 s and peak memory: 5 GB",
        "time: 1 h 00 min 00 s and peak memory: 8 GB",
    ]
    assert "full has a higher" in found[0][2] and "no other" in found[1][2] and "lora has a higher" in found[2][2]


@pytest.mark.parametrize("language", ["en", "ru"])
def test_of_several_tasks_guessing_is_said_of_those_where_it_holds(tmp_path, made_up, language):
    """Three tasks, one of them above chance: the others have no choice, and nobody is told that all are at chance."""
    say = Words(language)
    tasks = tuple({"name": "mini_rte", "label": label} for label in ("label", "phenomenon", "relation"))
    results = build_results(made_up(techniques=("full", "lora"), tasks=tasks).write(tmp_path))
    low = ["mini-rte-ru-label", "mini-rte-ru-relation"]
    results["study"]["notices"] = [{"id": "guessing", "values": {}, "tasks": low}]
    table = choices(results, say)
    assert say("lead.guessing") not in table.captions
    assert say("lead.guessing.tasks", tasks=say("and").join(low)) in table.captions
    assert {row[0].text for row in table.rows} == {"mini-rte-ru-phenomenon", ", ".join(low)}
    assert table.rows[-1][-1].text == say("choice.at_chance")
    results["study"]["notices"] = [{"id": "guessing", "values": {}}]
    everywhere = choices(results, say)
    assert list(everywhere.rows) == [] and everywhere.captions == [say("lead.guessing")]
