"""What several tasks tell: rows of results.json and their sentences."""

import json

import jsonschema
import numpy as np
import pytest

from tuneoff.evidence import build_results, results
from tuneoff.evidence.notices import about_doctor, notices
from tuneoff.evidence.over_tasks import rank_rows
from tuneoff.evidence.ranks import signed_rank_p
from tuneoff.evidence.results import SCHEMA_FILE, asked_task

SCHEMA = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
LABELS = ("label", "phenomenon", "relation")


def rows(accuracies, names="abc", model="m"):
    """Rows of techniques from accuracies (tasks, techniques)."""
    return [
        {"model": model, "task": f"t{task}", "technique": name, "metrics": {"accuracy": {"mean": value}}}
        for task, values in enumerate(accuracies)
        for name, value in zip(names, values, strict=True)
    ]


def texts(row):
    return [sentence["text"] for sentence in row["sentences"]]


def ids(row):
    return [sentence["id"].removeprefix("ranks.") for sentence in row["sentences"]]


def test_three_tasks_cannot_tell_whatever_comes_out():
    (row,) = rank_rows(rows([[0.9, 0.5, 0.1]] * 3), [])
    assert ids(row) == ["best", "few_tasks", "differ"]
    assert "With 3 tasks no test of ranks can tell two of 3 techniques apart" in texts(row)[1]
    assert "0.75, corrected for 3 pairs. It takes 7 tasks." in texts(row)[1]
    assert all(pair["kind"] == "open" for pair in row["pairs"])
    assert [one["mean_rank"] for one in row["techniques"]] == [1, 2, 3]


def test_two_techniques_need_six_tasks():
    (row,) = rank_rows(rows([[0.9, 0.5]] * 5, "ab"), [])
    assert ids(row) == ["best", "few_tasks.one"] and "It takes 6 tasks." in texts(row)[1]
    (row,) = rank_rows(rows([[0.9 - n / 100, 0.5] for n in range(6)], "ab"), [])
    assert ids(row) == ["best", "better"] and row["pairs"][0]["p_holm"] == pytest.approx(2 / 64)
    assert texts(row)[1].startswith("Over 6 tasks a does better than b: it does in 6 of them")


def test_a_pair_takes_the_side_of_its_signed_ranks_not_of_the_mean_ranks():
    # b is ahead of a in more tasks, so that its mean rank is better, but where a is ahead it is so by far.
    values = [[0.50, 0.51], [0.50, 0.52], [0.50, 0.53], [0.9, 0.2], [0.9, 0.1]]
    (row,) = rank_rows(rows(values, "ab"), [])
    (pair,) = row["pairs"]
    assert row["techniques"][0]["technique"] == "b" and (pair["a"], pair["wins"], pair["losses"]) == ("a", 2, 3)
    assert pair["rank_difference"] < 0 < pair["difference"]


def test_no_two_are_told_apart_by_chance_orders():
    values = np.random.default_rng(3).uniform(0.4, 0.6, size=(9, 3))
    (row,) = rank_rows(rows(values), [])
    assert ids(row) == ["best", "open", "alike"]
    assert row["pairs"][0]["p"] == pytest.approx(
        min(signed_rank_p(values[:, a] - values[:, b]) for a, b in ((0, 1), (0, 2), (1, 2)))
    )


def test_tasks_without_an_accuracy_of_each_technique_are_left_out_and_named():
    values = [[0.9, 0.5, 0.1]] * 3
    broken = [*rows(values), *rows([[0.9, None, 0.1]])]
    for row in broken[-3:]:
        row["task"] = "half"
    (row,) = rank_rows(broken, [])
    assert (row["tasks"], row["left_out"]) == (["t0", "t1", "t2"], ["half"])
    assert texts(row)[-1] == "Not every technique has an accuracy on half, so that the ranks are without."


def test_tasks_at_chance_are_counted_and_the_others_ranked_by_themselves():
    """Of six tasks four are at chance, and there c comes out first; on the two others a does."""
    noise, real = [0.500, 0.501, 0.502], [0.9, 0.5, 0.1]
    values = [noise, real, noise, noise, real, noise]
    (row,) = rank_rows(
        rows(values), [], {"m": [f"t{n}" for n in (0, 2, 3, 5)]}, [["t0", "t1", "elsewhere"], ["t2", "x"]]
    )
    assert row["at_chance"] == ["t0", "t2", "t3", "t5"] and row["above_chance"]["tasks"] == ["t1", "t4"]
    assert [(one["technique"], one["mean_rank"]) for one in row["above_chance"]["techniques"]] == [
        ("a", 1),
        ("b", 2),
        ("c", 3),
    ]
    # Of the 36 arrangements of two tasks, the 6 of one order in both are as uneven.
    assert row["above_chance"]["friedman"]["p"] == pytest.approx(1 / 6)
    assert ids(row)[-2:] == ["chance.alike", "shared"]
    assert "On 4 of these tasks nothing beats guessing" in texts(row)[-2]
    assert "On the other 2 the best mean rank is that of a: 1.00, but chance alone" in texts(row)[-2]
    (same,) = rank_rows(rows([real] * 5), [], {}, [["t0", "t1"]])
    assert ids(same)[-2:] == ["differ.if", "shared"] and "If these tasks were independent" in texts(same)[-2]
    assert row["shared_texts"] == [["t0", "t1"]] and texts(row)[-1].startswith("t0, t1 share texts")
    (row,) = rank_rows(rows(values), [], {"m": [f"t{n}" for n in range(5)]})
    assert row["above_chance"] is None and ids(row)[-1] == "chance.few"
    (row,) = rank_rows(rows([one[:2] for one in values], "ab"), [], {"m": ["t0"]})
    assert ids(row)[-1] == "chance"
    (row,) = rank_rows(rows([real] * 5), [], {"m": ["t0"]})
    assert ids(row)[-1] == "chance.differ" and "p = 0.0046" in texts(row)[-1]  # 1 / 6^3


@pytest.mark.parametrize("values", [[[0.9, 0.5]], [[0.9], [0.8]], [[None, 0.1], [0.3, 0.2]]])
def test_without_two_tasks_and_two_techniques_there_are_no_ranks(values):
    assert rank_rows(rows(values, "ab"[: len(values[0])]), []) == []


def test_the_interval_on_these_tasks_is_from_the_examples_of_each_in_the_pairs_own_direction():
    pairs = [{"a": "a", "b": "b", "difference": 0.4, "low": 0.3, "high": 0.5}]
    turned = [{"a": "b", "b": "a", "difference": 0.2, "low": 0.1, "high": 0.3}]
    comparisons = [{"model": "m", "task": f"t{n}", "pairs": own} for n, own in enumerate((pairs, turned))]
    (row,) = rank_rows(rows([[0.9, 0.5], [0.4, 0.6]], "ab"), comparisons)
    (pair,) = row["pairs"]
    half = np.sqrt(2 * 0.1**2) / 2
    assert (pair["low"], pair["high"]) == pytest.approx((0.1 - half, 0.1 + half))
    (row,) = rank_rows(rows([[0.9, 0.5], [0.4, 0.6]], "ab"), comparisons[:1])
    assert (row["pairs"][0]["low"], row["pairs"][0]["high"]) == (None, None)


@pytest.fixture(scope="module")
def several(tmp_path_factory, made_up):
    tasks = tuple({"name": "mini_rte", "label": label} for label in LABELS)
    made = made_up(techniques=("full", "lora"), seeds=2, tasks=tasks, models=("e5", "other"))
    return build_results(made.write(tmp_path_factory.mktemp("several")))


def test_models_are_ranked_one_by_one_and_all_of_it_fits_the_schema(several):
    jsonschema.validate(several, SCHEMA)
    assert [row["model"] for row in several["ranks"]] == ["e5", "other"]
    assert several["ranks"][0]["tasks"] == [f"mini-rte-ru-{label}" for label in LABELS]
    assert {(run["model"], run["task"]) for run in several["runs"]} == {
        (model, f"mini-rte-ru-{label}") for model in ("e5", "other") for label in LABELS
    }
    means = {(row["task"], row["technique"]): row["metrics"]["accuracy"]["mean"] for row in several["techniques"]}
    for one in several["ranks"][0]["techniques"]:
        assert one["accuracies"] == [means[f"mini-rte-ru-{label}", one["technique"]] for label in LABELS]
    assert all(pair["low"] < pair["difference"] < pair["high"] for pair in several["ranks"][0]["pairs"])


def test_notices_that_do_not_hold_for_all_tasks_name_theirs():
    study = {"protocol": {"eval_on": "dev"}, "tasks": [{"limit": 3}, {"limit": 3}, {}]}
    tasks = [{"model": model, "name": name, "splits": None} for model in "mn" for name in ("a", "b", "c")]
    limited = [notice for notice in notices(study, [], tasks, []) if notice["id"] == "limited"]
    assert [(one["tasks"], one["text"]) for one in limited] == [
        (["a", "b"], "a, b: Only the first 3 rows of each split were used.")
    ]


def test_notices_that_hold_for_all_tasks_are_said_once(several):
    about = [notice for notice in several["study"]["notices"] if notice["id"] == "test_examples"]
    assert [one["text"] for one in about] == ["Accuracy is measured on 60 test examples."]
    assert "tasks" not in about[0]


def test_a_study_of_one_task_has_no_ranks_and_its_notices_name_none(tmp_path, made_up):
    results = build_results(made_up(techniques=("full", "lora")).write(tmp_path))
    assert results["ranks"] == [] and results["study"]["tasks"] == [results["study"]["task"]]
    assert not any("tasks" in notice for notice in results["study"]["notices"])
    jsonschema.validate(results, SCHEMA)
    older = {key: value for key, value in results.items() if key != "ranks"}
    older["study"] = {key: value for key, value in older["study"].items() if key != "tasks"}
    jsonschema.validate(older, SCHEMA)


def test_what_the_doctor_finds_in_several_tasks_alike_is_said_once():
    finding = {"check": "power", "severity": "warning", "sentence": "Too little.", "forced": False}
    (notice,) = about_doctor([{**finding, "about": "a"}, {**finding, "about": "b"}])
    assert notice["text"] == "Before the first step, power warned of a, b: Too little."


def test_the_task_of_a_folder_is_found_in_a_study_of_one_and_of_several():
    several = {"tasks": [{"name": "mini_rte"}, {"name": "mini_rte", "limit": 3, "called": "few"}]}
    assert asked_task(several, "few")["limit"] == 3
    assert asked_task({"task": {"name": "mini_rte"}}, "mini-rte-ru-label") == {"name": "mini_rte"}


def test_ranks_count_a_models_own_tasks_at_chance(tmp_path, made_up, monkeypatch):
    """One model guesses on the first task and the other is right there, so that no notice is about that task."""
    task, accuracies, asked_for = "mini-rte-ru-label", {"e5": 0.5, "other": 1.0}, results._asked_for

    def changed(*arguments):
        rows, races = asked_for(*arguments)
        for row in rows:
            if row["task"] == task:
                row["metrics"]["accuracy"] = accuracies[row["model"]]
        return rows, races

    def described(*arguments):
        return described_task(*arguments) | {"splits": {"test": {"rows": 60, "labels": {"a": 30, "b": 30}}}}

    described_task = results._task
    monkeypatch.setattr(results, "_task", described)
    monkeypatch.setattr(results, "_asked_for", changed)
    tasks = tuple({"name": "mini_rte", "label": label} for label in LABELS)
    made = made_up(techniques=("full", "lora"), tasks=tasks, models=("e5", "other"))
    found = build_results(made.write(tmp_path))
    guessed = [one for one in found["study"]["notices"] if one["id"] == "guessing"]
    assert all(task not in one.get("tasks", [task]) for one in guessed)
    assert [task in row["at_chance"] for row in found["ranks"]] == [True, False]
