"""The sentence that stands first."""

import pytest

from tuneoff.evidence import build_results
from tuneoff.report.conclusion import conclusion


@pytest.fixture
def results(tmp_path, made_up):
    """Three techniques, lora the most accurate; verdicts are set by the tests."""
    found = build_results(made_up(techniques=("lora", "full", "linear-probe"), seeds=2).write(tmp_path))
    for row, mean in zip(found["techniques"], (0.6, 0.5, 0.4), strict=True):
        row["metrics"]["accuracy"] |= {"mean": mean, "sd": 0.02}
    found["study"]["notices"] = []
    return found


def verdicts(results, *beaten):
    """The conclusion where lora is better than these alone."""
    pairs = results["comparisons"][0]["pairs"]
    pairs.sort(key=lambda pair: sorted((pair["a"], pair["b"])))
    for pair in pairs:
        pair["kind"] = "better" if {pair["a"], pair["b"]} & set(beaten) else "open"
    return conclusion(results)


def test_it_names_the_best_and_whom_it_beats(results):
    best = "lora is the most accurate (0.600 ± 0.020)"
    (said,) = verdicts(results)
    assert said in {
        f"{best}, but it is not told apart from {a} and {b}."
        for a, b in (("full", "linear-probe"), ("linear-probe", "full"))
    }
    assert verdicts(results, "full") == [f"{best}: better than full, but not told apart from linear-probe."]
    assert verdicts(results, "full", "linear-probe") == [f"{best} and better than every other technique."]


def test_where_nothing_beats_guessing_only_that_is_said(results):
    results["study"]["notices"] = [{"id": "guessing", "values": {}}]
    (said,) = verdicts(results, "full")
    assert said.startswith("Nothing here beats guessing")


def of_tasks(results, *names):
    """The results as those of several tasks, which all have the rows of the one."""
    task, (comparison,) = results["tasks"][0], results["comparisons"]
    rows = results["techniques"]
    return {
        **results,
        "tasks": [{**task, "name": name} for name in names],
        "techniques": [{**row, "task": name} for name in names for row in rows],
        "comparisons": [{**comparison, "task": name} for name in names],
    }


def test_of_several_tasks_each_has_its_answer_but_those_at_chance(results):
    verdicts(results, "full", "linear-probe")
    several = of_tasks(results, "easy", "hard")
    best = "lora is the most accurate (0.600 ± 0.020) and better than every other technique."
    assert conclusion(several) == [f"easy: {best}", f"hard: {best}"]
    several["study"]["notices"] = [{"id": "guessing", "values": {}, "tasks": ["hard"]}]
    first, second = conclusion(several)
    assert first == f"easy: {best}" and second.startswith("On hard nothing beats guessing")
    several["study"]["notices"] = [{"id": "guessing", "values": {}}]
    (said,) = conclusion(several)
    assert said.startswith("Nothing here beats guessing")


def test_of_many_tasks_it_is_counted_what_is_the_most_accurate_on_how_many(results):
    verdicts(results, "full", "linear-probe")
    several = of_tasks(results, *"abcdef")
    several["study"]["notices"] = [{"id": "guessing", "values": {}, "tasks": ["f"]}]
    for row in several["techniques"]:
        if row["task"] in "ab" and row["technique"] == "full":
            row["metrics"] = {"accuracy": {"mean": 0.7, "sd": 0.02}}
    for comparison in several["comparisons"][:2]:
        comparison["pairs"] = [{**pair, "kind": "open"} for pair in comparison["pairs"]]
    said = conclusion(several)
    assert said[0] == (
        "Of 5 tasks on which something beats guessing, the most accurate is lora on 3 (better than every other on 3) "
        "and full on 2 (better than every other on none)."
    )
    assert len(said) == 2


def test_one_technique_concludes_nothing(tmp_path, made_up):
    results = build_results(made_up(techniques=("lora",)).write(tmp_path))
    results["study"]["notices"] = []
    assert conclusion(results) == []
