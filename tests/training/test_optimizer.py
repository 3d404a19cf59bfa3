import pytest
import torch
from transformers import get_scheduler

from tuneoff.techniques.base import Optimization
from tuneoff.training.optimizer import adamw, allocate, learning_rate_at


@pytest.mark.parametrize("warmup", [0, 3, 10])
@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_rates_are_those_of_transformers(schedule, warmup):
    steps = 37
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    name = "constant_with_warmup" if schedule == "constant" else schedule
    theirs = get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=steps)
    ours = Optimization(0.3, schedule, warmup / steps, 0.0, "off")
    for step in range(steps):
        assert learning_rate_at(ours, step, steps) == pytest.approx(theirs.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        theirs.step()


def test_a_step_is_adamw_as_it_is_defined():
    """Loshchilov and Hutter 2019, algorithm 2, written out for two steps on one number."""
    weight = torch.nn.Parameter(torch.tensor([0.5], dtype=torch.float64))
    optimizer = adamw({"weight": weight}, Optimization(0.1, "constant", 0.0, 0.01, "off"))
    value, m, v = 0.5, 0.0, 0.0
    for t, gradient in enumerate((0.3, -0.7), start=1):
        weight.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        value -= 0.1 * 0.01 * value
        value -= 0.1 * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)) ** 0.5 + 1e-8)
    assert weight.item() == pytest.approx(value, rel=1e-9)


def test_moments_made_before_the_first_step_are_those_that_it_would_make():
    weights = []
    for early in (False, True):
        torch.manual_seed(0)
        parameters = [torch.nn.Parameter(torch.randn(3, 4)), torch.nn.Parameter(torch.randn(5).double())]
        optimizer = adamw(dict(zip("ab", parameters, strict=True)), Optimization(1e-2, "constant", 0.0, 0.01, "off"))
        if early:
            allocate(optimizer)
            kept = {id(value) for values in optimizer.state.values() for value in values.values()}
        for step in range(5):
            for parameter in parameters[: 1 + (step > 1)]:  # the second gets its first gradient later
                parameter.grad = torch.randn_like(parameter)
            optimizer.step()
        weights.append(parameters)
    assert all(torch.equal(*pair) for pair in zip(*weights, strict=True))
    allocate(optimizer)
    assert {id(value) for values in optimizer.state.values() for value in values.values()} == kept


def test_another_optimizer_makes_its_own_state():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], momentum=0.9)
    allocate(optimizer)
    assert not optimizer.state
