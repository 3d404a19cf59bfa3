"""What is told before a run against what a run is: parameters by a real model, work counted one pass at a time."""

import pytest
import torch

from tuneoff.estimate import estimate_cost, estimate_work
from tuneoff.models.classifier import load_classifier
from tuneoff.plan import Question, StageBudget, make_plan
from tuneoff.reading import study_from_mapping
from tuneoff.techniques import names
from tuneoff.training.build import apply_technique, count_parameters, make_technique
from tuneoff.training.job import Budget

LENGTHS = {"train": 10.0, "dev": 4.0, "test": 6.0}
ROWS = {"train": 100, "dev": 20, "test": 30}


@pytest.fixture
def planned(resolve, model_folder):
    """Return a function from techniques to planned stages of a tiny model, without data."""

    def stages(techniques, family="bert"):
        model = resolve(family)
        protocol = {"steps": 10, "eval_every": 4, "batch_size": 8, "seeds": 1}
        study = study_from_mapping({"model": "x", "task": "terra", "techniques": techniques, "protocol": protocol})
        return model, make_plan(study, [Question(model, "terra", None, "fp32")], None).stages

    return stages


@pytest.mark.parametrize("family", ["bert", "qwen3"])
def test_parameters_are_those_of_the_model_as_it_will_be_trained(planned, family):
    model, stages = planned(names(), family)
    for stage in stages:
        cost = estimate_cost(stage, model, 3, 1500)
        classifier = load_classifier(model, ["a", "b", "c"], device="cpu")
        trained = apply_technique(make_technique(stage.spec), classifier, 0)
        assert cost.parameters == count_parameters(classifier)
        assert cost.parameters["trained"] == sum(value.numel() for value in trained.values())
        assert cost.disk == sum(value.numel() * value.element_size() for value in trained.values())
        assert cost.head_alone == (trained.keys() == {"head.weight"})


def test_memory_grows_with_what_is_trained_and_with_the_tokens_at_once(planned):
    model, stages = planned(["full", "lora", "linear-probe"])
    few, many = ([estimate_cost(stage, model, 2, tokens).memory for stage in stages] for tokens in (100, 1000))
    full, lora, probe = few
    assert full > lora > probe > 0
    assert many[0] - full == many[1] - lora > 0 and many[2] == probe
    parts = [estimate_cost(stage, model, 2, 100).parameters for stage in stages[:2]]
    trained, total = (parts[0][name] - parts[1][name] for name in ("trained", "total"))
    assert full - lora == 4 * total + 4 * 3 * trained  # fp32; a gradient and two moments of what is trained


@pytest.mark.parametrize("eval_on", ["dev", "test"])
@pytest.mark.parametrize(("steps", "every"), [(10, 4), (12, 4), (1, 5), (7, 7)])
def test_work_is_what_the_loop_passes_through_the_model(planned, eval_on, steps, every):
    """Count each pass as the loop makes it; a backward pass is two forward passes."""
    _, (stage,) = planned(["full"])
    stage = type(stage)(**vars(stage) | {"budget": StageBudget(steps, 8, every, eval_on)})
    work = estimate_work(False, LENGTHS, ROWS, 8)
    budget = Budget(steps, 8, every, eval_on)
    evaluated = [split for step in range(steps + 1) for split in budget.splits_at(step)]
    expected = steps * 3 * 8 * LENGTHS["train"] + sum(ROWS[split] * LENGTHS[split] for split in evaluated)
    assert work.total(stage) == pytest.approx(expected)


def test_a_batch_larger_than_train_is_all_of_train():
    assert estimate_work(False, LENGTHS, ROWS, 500).per_step == 3 * 100 * 10


def test_a_head_alone_costs_each_text_once_however_long_it_is_trained(planned):
    _, (stage,) = planned(["linear-probe"])
    work = estimate_work(True, LENGTHS, ROWS, 8)
    assert work.total(stage) == 100 * 10 + 20 * 4 + 30 * 6
    longer = type(stage)(**vars(stage) | {"budget": StageBudget(5000, 8, 1, "test")})
    assert work.total(longer) == work.total(stage)


def test_layers_computed_once_are_passed_before_the_first_step_and_not_again():
    whole, upper = (estimate_work(False, LENGTHS, ROWS, 8, below) for below in (0.0, 0.75))
    assert upper.before == 0.75 * (100 * 10 + 20 * 4 + 30 * 6)
    assert upper.per_step == whole.per_step / 4
    assert upper.per_evaluation == {split: work / 4 for split, work in whole.per_evaluation.items()}


def test_what_is_computed_once_is_below_the_lowest_trained_layer(planned):
    techniques = [{"name": "top", "use": "top-layers", "layers": 1}, "top-layers", "lora", "linear-probe"]
    model, stages = planned(techniques)
    costs = [estimate_cost(stage, model, 2, 100) for stage in stages]
    assert [(cost.layers_once, cost.depth, cost.cached) for cost in costs] == [(1, 2, 4 * 32), *[(0, 2, 0)] * 3]
    plain = [estimate_cost(stage, model, 2, 100, reuse=False) for stage in stages]
    assert not any(cost.layers_once or cost.head_alone for cost in plain)


def test_nothing_is_drawn_from_the_random_numbers(planned):
    model, stages = planned(names())
    torch.manual_seed(3)
    before = torch.get_rng_state()
    for stage in stages:
        estimate_cost(stage, model, 2, 1500)
    assert torch.equal(before, torch.get_rng_state())
