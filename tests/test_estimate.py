"""What is told before a run against what a run is: parameters by a real model, work counted one pass at a time."""

import pytest
import torch

from tuneoff.errors import ModelError
from tuneoff.estimate import HEAP, WITHOUT_MODEL, estimate_cost, estimate_work, peak_memory
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
        try:
            cost = estimate_cost(stage, model, 3)
        except ModelError:  # a technique may refuse a family; its own test says which
            continue
        classifier = load_classifier(model, ["a", "b", "c"], device="cpu")
        trained = apply_technique(make_technique(stage.spec), classifier, 0)
        assert cost.parameters == count_parameters(classifier)
        assert cost.parameters["trained"] == sum(value.numel() for value in trained.values())
        assert cost.disk == sum(value.numel() * value.element_size() for value in trained.values())
        assert cost.head_alone == all(name.startswith("head.") for name in trained)


def test_memory_is_what_is_trained_three_times_more_and_activations(planned):
    model, stages = planned(["full", "lora", "linear-probe"])
    costs = [estimate_cost(stage, model, 2) for stage in stages]
    full, lora, probe = (peak_memory(cost, 1000, model.config.vocab_size, made=1e6) for cost in costs)
    trained, total = ([cost.parameters[name] for cost in costs] for name in ("trained", "total"))
    assert full == WITHOUT_MODEL + 4 * (total[0] + 3 * trained[0]) + HEAP * 1000 * 1e6
    assert lora == WITHOUT_MODEL + 4 * (total[1] + 3 * trained[1]) + HEAP * 1000 * 1e6
    assert probe >= WITHOUT_MODEL + 4 * total[2]
    assert peak_memory(costs[0], 1000, model.config.vocab_size) < full  # by shape: this model keeps far less


def test_of_the_embedding_table_only_the_rows_in_use_count_while_it_trains(planned):
    model, (full, lora, top) = planned(["full", "lora", {"name": "top", "use": "top-layers", "layers": 1}])
    costs = [estimate_cost(stage, model, 2) for stage in (full, lora, top)]
    spared = (model.config.vocab_size - 10) * model.config.hidden_size
    many, few = ([peak_memory(cost, 1000, used, made=1e6) for cost in costs] for used in (model.config.vocab_size, 10))
    assert [more - less for more, less in zip(many, few, strict=True)] == [4 * 4 * spared, 4 * spared, 0]
    whole = estimate_cost(full, model, 2, compact=False)
    assert peak_memory(whole, 1000, 10, made=1e6) == many[0]


def test_loading_takes_the_whole_model_however_little_is_trained(planned):
    model, (probe,) = planned(["linear-probe"])
    cost = estimate_cost(probe, model, 2)
    assert peak_memory(cost, 1, 1) >= WITHOUT_MODEL + 4 * cost.parameters["total"]


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
    costs = [estimate_cost(stage, model, 2) for stage in stages]
    assert [(cost.layers_once, cost.depth, cost.cached) for cost in costs] == [(1, 2, 4 * 32), *[(0, 2, 0)] * 3]
    plain = [estimate_cost(stage, model, 2, reuse=False) for stage in stages]
    assert not any(cost.layers_once or cost.head_alone for cost in plain)


def test_nothing_is_drawn_from_the_random_numbers(planned):
    model, stages = planned(names())
    torch.manual_seed(3)
    before = torch.get_rng_state()
    for stage in stages:
        estimate_cost(stage, model, 2)
    assert torch.equal(before, torch.get_rng_state())
