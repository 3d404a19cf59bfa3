import pytest
from scipy.stats import binomtest

from tuneoff.evidence.notices import models_at_chance, notices, tasks_at_chance


def made(accuracies, examples, labels):
    """The arguments of notices() for one model, with an accuracy a technique."""
    runs = [
        {
            "status": "done",
            "examples": examples,
            "metrics": {"accuracy": value},
            "model": "m",
            "task": "t",
            "machine": {},
        }
        | {"technique": str(number), "settings": {}, "budget": {}}
        for number, value in enumerate(accuracies)
    ]
    techniques = [{"name": run["technique"]} for run in runs]
    study = {"protocol": {"eval_on": "dev"}, "techniques": techniques, "seeds": [0], "tasks": [{}]}
    tasks = [{"model": "m", "name": "t", "splits": {"test": {"labels": labels}}}]
    return {notice["id"]: notice for notice in notices(study, [], tasks, runs)}


@pytest.mark.parametrize(
    ("examples", "share", "techniques"), [(200, 0.5, 1), (307, 0.5, 5), (200, 0.1, 5), (31, 0.7, 3)]
)
def test_guessing_is_said_up_to_the_exact_binomial_bound(examples, share, techniques):
    common = round(share * examples)
    labels = {"a": common, **{f"b{number}": 1 for number in range(examples - common)}}
    level = 0.05 / techniques
    beyond = next(
        right
        for right in range(examples + 1)
        if binomtest(right, examples, common / examples, alternative="greater").pvalue <= level
    )
    for right, expected in ((beyond - 1, True), (beyond, False)):
        accuracies = [right / examples] + [0.0] * (techniques - 1)
        assert ("guessing" in made(accuracies, examples, labels)) is expected


def test_the_paper_beats_guessing_with_lora_alone():
    """Its table: five techniques, 307 examples; the bound for one technique of five lies between 0.606 and 0.557."""
    half = {"entailment": 153, "not_entailment": 154}
    assert "guessing" not in made([0.557, 0.537, 0.629, 0.606, 0.593], 307, half)
    assert "guessing" in made([0.557, 0.537], 307, half)


def test_nothing_is_said_without_results():
    assert "guessing" not in made([], 10, {"a": 5, "b": 5})


@pytest.mark.parametrize(("other", "expected"), [(0.9, False), (0.5, True), (None, True)])
def test_nothing_here_beats_guessing_where_no_model_does(other, expected):
    study = {"protocol": {"eval_on": "dev"}, "techniques": [{"name": "full"}], "seeds": [0], "tasks": [{}]}
    splits = {"test": {"labels": {"a": 50, "b": 50}}}
    tasks = [{"name": "t", "model": model, "splits": splits} for model in ("small", "large")]
    own = {"task": "t", "technique": "full", "examples": 100, "machine": {}, "settings": {}, "budget": {}}
    runs = [
        {"model": model, "status": "done", "metrics": {"accuracy": accuracy}, **own}
        for model, accuracy in (("small", 0.5), ("large", other))
        if accuracy is not None
    ]
    found = notices(study, [], tasks, runs)
    assert ("guessing" in {notice["id"] for notice in found}) is expected


def test_a_task_too_small_for_any_accuracy_to_count_is_at_chance():
    """With 3 examples of two classes even three right answers have a p-value of 1/8."""
    assert binomtest(3, 3, 2 / 3, alternative="greater").pvalue > 0.05 / 2
    found = made([1.0, 0.0], 3, {"a": 2, "b": 1})
    assert "guessing_any" in found and tasks_at_chance(list(found.values()), ["t"]) == ["t"]
    named = [{"id": "guessing", "tasks": ["b"]}, {"id": "guessing_any", "tasks": ["c", "a"]}]
    assert tasks_at_chance(named, ["a", "b", "c", "d"]) == ["a", "b", "c"]


def test_a_model_is_at_chance_where_its_own_techniques_are():
    """On t the large model is above chance, so that no notice says guessing; the small one is at chance there."""
    splits = {"test": {"labels": {"a": 50, "b": 50}}}
    tasks = [{"name": name, "model": model, "splits": splits} for model in ("small", "large", "new") for name in "tu"]
    accuracies = {("small", "t"): 0.5, ("small", "u"): 0.9, ("large", "t"): 0.9, ("large", "u"): 0.5}
    runs = [
        {"model": model, "task": task, "technique": "full", "examples": 100, "status": "done"}
        | {"metrics": {"accuracy": accuracy}, "machine": {}, "settings": {}, "budget": {}}
        for (model, task), accuracy in accuracies.items()
    ]
    study = {"protocol": {"eval_on": "dev"}, "techniques": [{"name": "full"}], "seeds": [0], "tasks": [{}, {}]}
    assert not {notice["id"] for notice in notices(study, [], tasks, runs)} & {"guessing", "guessing_any"}
    assert models_at_chance(tasks, runs) == {"small": ["t"], "large": ["u"], "new": []}
