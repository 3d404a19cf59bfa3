"""Several studies: the same task's rows, settings that differ, and pairs only where test rows are the same."""

import numpy as np

from tuneoff.evidence.answers import answers
from tuneoff.evidence.comparisons import compare_techniques
from tuneoff.evidence.pairs import compare
from tuneoff.evidence.side_by_side import differing_settings, read_studies, same_tasks

TASK = "mini-rte-ru-phenomenon"


def described(store, model="small-e5", **changes):
    store.describe_task(model, TASK, {**store.task(model, TASK), **changes})
    return store


def test_techniques_of_studies_with_the_same_test_rows_are_compared_example_by_example(tmp_path, made_up):
    stores = [made_up(techniques=(name,), seeds=3).write(tmp_path / name) for name in ("lora", "full")]
    (task,) = same_tasks(read_studies(stores))
    (comparison,) = task.comparisons
    (pair,) = comparison["pairs"]
    assert comparison["studies"] == ["lora", "full"] and task.alone == []
    found = {
        f"{s.root.name}: {s.root.name}": answers(s, read.results["runs"])
        for s, read in zip(stores, read_studies(stores), strict=True)
    }
    right = {name: next(iter(one.values())).right for name, one in found.items()}
    assert pair["p"] == compare(right[pair["a"]], right[pair["b"]]).p
    assert [row["entry"] for row in task.rows] == ["lora: lora", "full: full"]


def test_other_test_rows_are_not_compared_whatever_train_is(tmp_path, made_up):
    stores = [made_up(techniques=("lora",)).write(tmp_path / name) for name in ("a", "b", "c")]
    described(stores[0], test_fingerprint="1" * 64)
    described(stores[1], test_fingerprint="1" * 64, fingerprint="2" * 64)  # other train rows, the same test
    described(stores[2], test_fingerprint="3" * 64)
    (task,) = same_tasks(read_studies(stores))
    assert [one["studies"] for one in task.comparisons] == [["a", "b"]] and task.alone == ["c"]
    assert len(task.rows) == 3


def test_data_that_are_not_known_are_not_the_same(tmp_path, made_up):
    stores = [made_up(techniques=("lora",), described=False).write(tmp_path / name) for name in ("a", "b")]
    (task,) = same_tasks(read_studies(stores))
    assert task.comparisons == [] and task.alone == ["a", "b"]


def test_only_settings_that_differ_are_listed(tmp_path, made_up):
    a = made_up(techniques=("lora",), steps=40).write(tmp_path / "a")
    b = made_up(techniques=("lora",), steps=20, seeds=2).write(tmp_path / "b" / "a")
    studies = read_studies([a, b])
    assert [study.name for study in studies] == ["a", "a-2"]
    differing = dict(differing_settings(studies))
    assert differing == {"protocol.steps": [40, 20], "protocol.seeds": [[0], [0, 1]]}


def test_no_two_studies_have_the_same_name(tmp_path, made_up):
    folders = [tmp_path / "a", tmp_path / "x" / "a", tmp_path / "a-2"]
    studies = read_studies([made_up(techniques=("lora",)).write(folder) for folder in folders])
    assert [study.name for study in studies] == ["a", "a-3", "a-2"]


def test_two_models_are_named_in_the_entries(tmp_path, made_up):
    a = made_up(techniques=("lora",), models=("small-e5",)).write(tmp_path / "a")
    b = made_up(techniques=("lora",), models=("large-e5",)).write(tmp_path / "b")
    (task,) = same_tasks(read_studies([a, b]))
    assert [row["entry"] for row in task.rows] == ["a: lora (small-e5)", "b: lora (large-e5)"]
    assert np.isfinite(task.comparisons[0]["pairs"][0]["p"])


def test_runs_of_a_technique_with_the_same_answers_are_one_in_the_pairs(tmp_path, made_up):
    """Else a probe trained in both studies would be a pair with itself, and each of its pairs would stand twice."""
    a = made_up(techniques=("lora", "full"), seeds=2).write(tmp_path / "a")
    b = made_up(techniques=("lora",), seeds=2).write(tmp_path / "b")
    c = made_up(techniques=("full",), seeds=1).write(tmp_path / "c")
    (task,) = same_tasks(read_studies([a, b, c]))
    (comparison,) = task.comparisons
    assert [row["entry"] for row in task.rows] == ["a, b: lora", "a: full", "a, b: lora", "c: full"]
    assert comparison["joined"] == ["a, b: lora"] and len(comparison["pairs"]) == 3
    alone = compare_techniques(
        {
            row["entry"]: answers(s, read.results["runs"])["small-e5", TASK, row["technique"]]
            for (s, read), row in zip([(a, read_studies([a])[0])] * 2, task.rows[:2], strict=True)
        }
    )
    both = next(pair for pair in comparison["pairs"] if {pair["a"], pair["b"]} == {"a, b: lora", "a: full"})
    assert both["p"] == alone["pairs"][0]["p"]


def test_a_task_that_one_study_has_is_a_setting_by_itself(tmp_path, made_up):
    a = made_up(techniques=("lora",)).write(tmp_path / "a")
    tasks = tuple({"name": "mini_rte", "label": label} for label in ("phenomenon", "label"))
    b = made_up(techniques=("lora",), tasks=tasks).write(tmp_path / "b")
    differing = dict(differing_settings(read_studies([a, b])))
    none, asked = differing["tasks.mini-rte-ru-label"]
    assert none is None and asked["name"] == "mini_rte" and None not in asked.values()
    assert not any(name.startswith("tasks.mini-rte-ru-phenomenon") for name in differing)
