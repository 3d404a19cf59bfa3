"""Steps, evaluations and optimization of a stage: its own, else the protocol's."""

from dataclasses import replace

import pytest
from pydantic import ValidationError

from tuneoff.plan import resolve_budget, resolve_optimization
from tuneoff.study import Protocol
from tuneoff.techniques import settings_of
from tuneoff.techniques.composition import StageSpec
from tuneoff.training.job import Budget


def spec(technique="full", **settings):
    return StageSpec(technique, technique, settings_of(technique)(**settings), None, 0)


def evaluations(budget):
    job = Budget(budget.steps, budget.batch_size, budget.eval_every, budget.eval_on)
    return [step for step in range(budget.steps + 1) if job.splits_at(step)]


@pytest.mark.parametrize(
    ("protocol", "settings", "rows", "steps"),
    [
        ({"steps": 437}, {}, 2616, 437),
        ({}, {}, 2616, 4 * 109),
        ({}, {}, 2617, 4 * 110),  # the last, smaller batch is a step
        ({"epochs": 1}, {}, 25, 2),
        ({"epochs": 0.5}, {}, 2616, 54),
        ({"epochs": 0.001}, {}, 100, 1),
        ({"epochs": 2, "batch_size": 10}, {}, 101, 22),
        ({"steps": 437}, {"epochs": 2}, 240, 20),
        ({"epochs": 3}, {"steps": 7}, 240, 7),
        ({"steps": 5}, {}, None, 5),
        ({"epochs": 5}, {"steps": 6}, None, 6),
    ],
)
def test_steps_are_the_stages_own_else_the_protocols(protocol, settings, rows, steps):
    assert resolve_budget(Protocol(**protocol), spec(**settings), rows).steps == steps


def test_epochs_of_unknown_data_are_no_budget():
    assert resolve_budget(Protocol(), spec(), None) is None
    assert resolve_budget(Protocol(steps=5), spec(epochs=1), None) is None


def test_the_papers_evaluations():
    given = resolve_budget(Protocol(steps=437, eval_every=23), spec(), 2616)
    by_default = resolve_budget(Protocol(steps=437), spec(), 2616)
    assert given == by_default and evaluations(given) == [*range(0, 437, 23), 437] and len(evaluations(given)) == 20


@pytest.mark.parametrize("steps", [1, 2, 18, 19, 20, 38, 57, 110, 437, 1000, 4360])
def test_there_are_at_most_twenty_evaluations_unless_asked_otherwise(steps):
    budget = resolve_budget(Protocol(steps=steps), spec(), None)
    assert len(evaluations(budget)) <= 20 and evaluations(budget)[-1] == steps
    finer = replace(budget, eval_every=budget.eval_every - 1)
    assert budget.eval_every == 1 or len(evaluations(finer)) > 20
    assert resolve_budget(Protocol(steps=steps, eval_every=3), spec(), None).eval_every == 3


def test_optimization_is_the_stages_own_else_the_protocols():
    protocol = Protocol(schedule="cosine", warmup=0.2, weight_decay=0.3, max_grad_norm=4.0)
    theirs = resolve_optimization(protocol, spec(learning_rate=0.5))
    assert vars(theirs) == {"learning_rate": 0.5} | protocol.model_dump(
        include={"schedule", "warmup", "weight_decay", "max_grad_norm"}
    )
    own = {"learning_rate": 0.5, "schedule": "constant", "warmup": 0.0, "weight_decay": 0.0, "max_grad_norm": "off"}
    assert vars(resolve_optimization(protocol, spec(**own))) == own


@pytest.mark.parametrize("norm", [0, 0.0, -1.0])
def test_a_gradient_is_not_clipped_to_nothing(norm):
    """0 would fall through to the protocol's, and a negative norm would turn the gradient round."""
    with pytest.raises(ValidationError, match="positive number, or off"):
        settings_of("lora")(max_grad_norm=norm)
