"""AdaLoRA: peft's allocation, step by step, also where a stage was interrupted."""

import copy

import pytest
import torch
from peft import AdaLoraConfig, get_peft_model
from pydantic import ValidationError

from tuneoff.techniques import get
from tuneoff.training.checkpoint import Checkpointer, restore
from tuneoff.training.loop import train
from tuneoff.training.state import Interrupted, TrainingState

STEPS, FIRST, LAST = 20, 4, 2
SETTINGS = {"first_rank": FIRST, "rank": LAST, "learning_rate": 1e-2, "dropout": 0.0, "target_modules": ["query"]}


def values(job):
    """Return the singular values of each adapter by name."""
    return {name: value for name, value in job.trained.items() if ".lora_E." in name}


def kept(job):
    return sum(int((value != 0).sum()) for value in values(job).values())


def run(job, optimizer, state):
    train(job, state, optimizer)
    return state


@pytest.fixture
def adalora(make_job):
    """Return a function that makes a job of AdaLoRA and its optimizer."""

    def made(steps=STEPS, **settings):
        job = make_job("adalora", steps=steps, **{**SETTINGS, **settings})
        return job, job.technique.optimizer(job.trained, job.optimization)

    return made


def test_ranks_fall_from_first_to_last_and_stay(adalora):
    job, optimizer = adalora()
    seen = []
    job.save = lambda state, *_: seen.append((state.step, kept(job)))
    run(job, optimizer, TrainingState())
    budget = dict(seen) | {STEPS: kept(job)}
    layers = len(values(job))
    assert layers == 2 and budget[2] == layers * FIRST  # a tenth of the steps is warm-up
    assert budget[14] == budget[STEPS] == layers * LAST  # and the last three tenths leave ranks as they are
    counts = [budget[step] for step in range(2, STEPS + 1)]
    assert counts == sorted(counts, reverse=True) and len(set(counts)) > 3


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # peft asks for it
def test_what_is_dropped_is_what_pefts_own_model_drops(adalora, bare):
    """peft's `update_and_allocate` on its own wrapper, with the gradients that ours has seen."""
    job, optimizer = adalora()
    config = AdaLoraConfig(
        init_r=FIRST, target_r=LAST, lora_alpha=32, target_modules=["query"], tinit=2, tfinal=6, total_step=STEPS
    )
    theirs = get_peft_model(bare("bert"), config)
    places = {name.removeprefix("base_model.model."): value for name, value in theirs.named_parameters()}
    ours = {name.removeprefix("backbone."): value for name, value in job.trained.items() if ".lora_" in name}
    numbers = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, value in ours.items():
            value.normal_(generator=numbers)
            places[name].copy_(value)
    reference = torch.optim.AdamW([places[name] for name in ours], lr=1e-2, weight_decay=0.01)
    for step in range(STEPS):
        job.technique.trainable_at(step, STEPS, job.trained.keys())
        for name, value in ours.items():
            value.grad = torch.randn(value.shape, generator=numbers)
            places[name].grad = value.grad.clone()
        optimizer.step()
        reference.step()
        theirs.base_model.update_and_allocate(step + 1)
        for name, value in ours.items():
            torch.testing.assert_close(value, places[name], rtol=1e-5, atol=1e-7)
    assert kept(job) == 2 * LAST


def test_the_gradient_has_pefts_orthogonality_and_the_value_is_the_cross_entropy(adalora):
    job, _ = adalora(orthogonality=0.5)
    logits, labels = torch.randn(4, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 1, 1, 0])
    logits.requires_grad_(True)
    loss = job.technique.loss(logits, labels)
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(logits, labels, reduction="none"))
    loss.mean().backward()
    factors = [value for name, value in job.trained.items() if ".lora_A." in name or ".lora_B." in name]
    found = [value.grad.clone() for value in factors]
    # As peft's AdaLoraModel.forward adds it to a loss.
    apart = []
    for name, value in job.trained.items():
        if ".lora_A." in name or ".lora_B." in name:
            product = value @ value.T if ".lora_A." in name else value.T @ value
            apart.append(torch.norm(product - torch.eye(len(product)), p="fro"))
    expected = torch.autograd.grad(0.5 * sum(apart) / len(apart), factors)
    for mine, other in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("stopped", [3, 9, 17])
def test_interrupted_it_goes_on_as_it_would_have(stopped, adalora, tmp_path):
    whole, optimizer = adalora()
    run(whole, optimizer, TrainingState())
    half, optimizer = adalora()
    keeper = Checkpointer(tmp_path / "checkpoint", "key")
    state = TrainingState()
    half.save = lambda state, optimizer, now: keeper.save_when_due(half, state, optimizer, now)
    half.stop = lambda: state.step == stopped
    with pytest.raises(Interrupted):
        train(half, state, optimizer)
    rest, optimizer = adalora()
    state = restore(tmp_path / "checkpoint", "key", rest, optimizer)
    assert state.step == stopped
    run(rest, optimizer, state)
    assert all(torch.equal(value, rest.trained[name]) for name, value in whole.trained.items())


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_a_handful_of_steps_is_no_error(steps, adalora):
    job, optimizer = adalora(steps=steps)
    run(job, optimizer, TrainingState())
    assert all(value.isfinite().all() for value in job.trained.values())


def test_with_one_rank_throughout_nothing_is_dropped(adalora):
    job, optimizer = adalora(rank=FIRST)
    run(job, optimizer, TrainingState())
    assert kept(job) == 2 * FIRST


@pytest.mark.parametrize("wrong", [{"rank": 13}, {"warm_share": 0.5, "final_share": 0.5}])
def test_settings_that_leave_nothing_to_prune_are_refused(wrong):
    with pytest.raises(ValidationError):
        get("adalora").settings_class(**wrong)


def test_the_settings_reach_pefts_config(load, make_technique):
    classifier = load("bert")
    make_technique("adalora", rank=3, first_rank=5, alpha=7, interval=2, importance_decay=0.5).apply(classifier)
    config = copy.copy(classifier.backbone.peft_config["default"])
    assert (config.target_r, config.init_r, config.lora_alpha, config.deltaT, config.beta1) == (3, 5, 7, 2, 0.5)
