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


def test_guessing_on_some_of_several_tasks_is_said_of_these_alone(results):
    results["tasks"] = [{**results["tasks"][0], "name": name} for name in ("easy", "hard")]
    assert conclusion(results) == []
    results["study"]["notices"] = [{"id": "guessing", "values": {}, "tasks": ["hard"]}]
    (said,) = conclusion(results)
    assert said.startswith("On hard nothing beats guessing")
    results["study"]["notices"] = [{"id": "guessing", "values": {}}]
    (said,) = conclusion(results)
    assert said.startswith("Nothing here beats guessing")


def test_one_technique_concludes_nothing(tmp_path, made_up):
    results = build_results(made_up(techniques=("lora",)).write(tmp_path))
    results["study"]["notices"] = []
    assert conclusion(results) == []
