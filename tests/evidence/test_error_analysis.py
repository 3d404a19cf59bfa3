"""Confusion matrices and disagreements, against definitions written the slow way."""

import json

import jsonschema
import numpy as np
import pytest
from sklearn.metrics import confusion_matrix

from tuneoff.evidence.answers import Answers
from tuneoff.evidence.error_analysis import MOST_CLASSES, analyse, confusion
from tuneoff.evidence.results import SCHEMA_FILE, build_results, rows_disagreed_on
from tuneoff.evidence.task_files import KeptRows, keep_texts
from tuneoff.tasks import Split, TaskData

TASK = "mini-rte-ru-phenomenon"


def made(seed, seeds=3, examples=40, classes=3):
    rng = np.random.default_rng(seed)
    labels = np.arange(examples) % classes
    given = np.where(rng.random((seeds, examples)) < 0.5, labels, rng.integers(classes, size=(seeds, examples)))
    return Answers(tuple(range(seeds)), np.arange(examples) * 2, given == labels, given, labels)


def test_a_confusion_matrix_is_scikit_learns_over_all_seeds():
    one = made(0)
    expected = confusion_matrix(np.tile(one.labels, 3), one.given.ravel(), labels=range(3))
    assert confusion(one, 3) == {"seeds": 3, "counts": expected.tolist()}
    assert confusion(one, MOST_CLASSES + 1) is None and confusion(one, 2) is None


def test_who_disagrees_is_counted_as_the_definition_says():
    found = {name: made(seed) for seed, name in enumerate("abc")}
    analysed = analyse(found, 3, 5, None, None)
    right = [[sum(one.right[:, n]) * 2 > 3 for one in found.values()] for n in range(40)]
    assert analysed["all_right"] == sum(all(row) for row in right)
    assert analysed["none_right"] == sum(not any(row) for row in right)
    places = [n for n, row in enumerate(right) if any(row) and not all(row)]
    assert analysed["disagreed"] == len(places) > 5
    spread = {n: float(np.var([one.right[:, n].mean() for one in found.values()])) for n in places}
    first = sorted(places, key=lambda n: (-round(spread[n], 12), n))[:5]
    assert [one["row"] for one in analysed["shown"]] == [2 * n for n in first]  # rows are named by their numbers


def test_an_example_tells_how_many_seeds_gave_which_answer():
    labels = np.array([1, 0])
    given = {"a": [[1, 0], [1, 0], [2, 0]], "b": [[0, 0], [2, 0], [2, 0]]}
    found = {
        name: Answers((0, 1, 2), np.array([5, 7]), np.array(one) == labels, np.array(one), labels)
        for name, one in given.items()
    }
    kept = KeptRows([7, 5, 9], None, {"kind": ["x", "y", "z"]})
    analysed = analyse(found, 3, 5, kept, {5: ["a text"]})
    assert analysed["shown"] == [
        {
            "row": 5,
            "label": 1,
            "texts": ["a text"],
            "slices": {"kind": "y"},
            "answers": {"a": {"1": 2, "2": 1}, "b": {"2": 2, "0": 1}},
        }
    ]
    assert analysed["slices"] == {
        "kind": [
            {"value": "x", "examples": 1, "disagreed": 0, "none_right": 0},
            {"value": "y", "examples": 1, "disagreed": 1, "none_right": 0},
        ]
    }
    assert analyse(found, 3, 5, KeptRows([7], None, {"kind": ["x"]}), None)["slices"] == {}  # not of these rows


def test_a_technique_measured_on_other_examples_has_a_matrix_and_no_part_in_disagreements():
    other = made(1)
    found = {
        "a": made(0),
        "b": made(2),
        "c": Answers(other.seeds, other.examples + 1, other.right, other.given, other.labels),
    }
    analysed = analyse(found, 3, 5, None, None)
    assert analysed["techniques"] == ["a", "b"] and set(analysed["confusion"]) == {"a", "b", "c"}
    nothing = analyse({}, 3, 5, None, None)
    assert nothing["confusion"] == {} and nothing["shown"] == [] and nothing["examples"] == 0


@pytest.fixture
def store(tmp_path, made_up):
    return made_up(techniques=("lora", "full"), seeds=2).write(tmp_path)


def task(text="a text", fingerprint="f" * 64):
    texts = ([f"{text} {n}" for n in range(60)],)
    test = Split("test", texts, np.zeros(60, np.int64), np.arange(60), [None] * 60)
    return TaskData(TASK, TASK, ("a", "b"), ("text",), {"test": test}, fingerprint, "made up")


def test_texts_of_the_rows_shown_are_kept_and_no_others(store):
    rows = rows_disagreed_on(store)
    assert list(rows) == [TASK] and 0 < len(rows[TASK]) <= 40
    keep_texts(store, TASK, task("long " * 200), rows[TASK])
    (part,) = results(store)["error_analysis"]
    assert [one["row"] for one in part["shown"]] == rows[TASK]
    assert all(one["texts"][0].startswith("long long") and len(one["texts"][0]) == 600 for one in part["shown"])
    kept = json.loads((store.root / "tasks" / TASK / "texts.json").read_text(encoding="utf-8"))
    assert sorted(map(int, kept["texts"])) == sorted(rows[TASK])


def test_texts_of_other_data_are_not_shown_and_none_are_kept_if_none_are_asked_for(store):
    keep_texts(store, TASK, task(fingerprint="0" * 64), [1, 2])
    (part,) = results(store)["error_analysis"]
    assert {one["texts"] for one in part["shown"]} == {None}
    keep_texts(store, TASK, task(), [])
    assert not (store.root / "tasks" / TASK / "texts.json").exists()


def results(store):
    built = build_results(store)
    jsonschema.validate(built, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    return built
