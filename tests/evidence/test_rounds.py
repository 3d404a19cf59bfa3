"""How a race stands, from the store alone."""

import pytest
import yaml

from tuneoff.evidence.results import build_results, standings
from tuneoff.evidence.rounds import RACES


@pytest.fixture
def raced(tmp_path, made_up):
    """A made-up study with `until_clear`; settings of `made_up`, and the seeds of the first round and at most."""

    def write(first=2, most=8, **settings):
        store = made_up(**settings).write(tmp_path)
        study = yaml.safe_load((tmp_path / "study.yaml").read_text())
        study["protocol"] |= {"seeds": list(range(first)), "until_clear": {"seeds": most, "hours": None}}
        (tmp_path / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
        return store

    return write


def standing(store):
    (found,) = standings(store).values()
    return found


def test_the_first_round_is_asked_for_and_no_more_while_nothing_of_the_next_is_there(raced):
    store = raced(techniques=("full", "lora"), seeds=2)
    found = standing(store)
    assert [one.seeds for one in found.race.rounds] == [2] and found.left == ("full", "lora")
    results = build_results(store)
    assert [run["seed"] for run in results["runs"]] == [0, 1, 0, 1]
    assert results["comparisons"][0]["race"]["most"] == 8


def test_a_round_that_was_begun_is_asked_for_whole(raced):
    store = raced(techniques=("full", "lora"), seeds=3)
    found = standing(store)
    assert found.seeds == {"full": [0, 1, 2, 3], "lora": [0, 1, 2, 3]}
    assert [one.seeds for one in found.race.rounds] == [2]
    rows = build_results(store)["techniques"]
    assert [row["runs"] for row in rows] == [{"asked": 4, "done": 3, "failed": 0, "missing": 1}] * 2


def test_the_last_round_ends_it(raced):
    found = standing(raced(first=2, most=3, techniques=("full", "lora"), seeds=3))
    assert found.left == () and not found.race.clear
    assert [one["id"] for one in found.sentences()] == ["race.unclear", "race.ended"]


def test_a_technique_whose_run_failed_is_out(raced):
    store = raced(techniques=("full", "lora", "linear-probe"), seeds=2, failed=(("lora", 1),))
    found = standing(store)
    assert found.failed == ["lora"] and found.left == ("full", "linear-probe")
    assert found.sentences()[0]["text"] == "Out of the race because runs failed: lora."


def test_corrected_values_of_the_pairs_are_those_of_the_race(raced):
    store = raced(techniques=("full", "lora"), seeds=4)
    (pair,) = build_results(store)["comparisons"][0]["pairs"]
    assert pair["p_holm"] == standing(store).race.p[frozenset(("full", "lora"))][0]


def test_each_sentence_can_be_said(raced):
    found = standing(raced(techniques=("full", "lora"), seeds=2)).sentences()
    for sentence in found:
        assert RACES[sentence["id"].removeprefix("race.")].format(**sentence["values"]) == sentence["text"]
