"""What is saved comes back whole; what belongs to another stage is left alone."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tuneoff.errors import WriteError
from tuneoff.models.mapped_file import DamagedFile
from tuneoff.training import checkpoint
from tuneoff.training.checkpoint import Checkpointer, recorded_execution, restore, save
from tuneoff.training.loop import train
from tuneoff.training.state import Interrupted, TrainingState

KEY = "k" * 64


@pytest.fixture
def path(tmp_path):
    return tmp_path / "stage" / "checkpoint.safetensors"


def half_way(job, path, steps=2):
    """Train some steps, save, stop; returns state and optimizer."""
    state, optimizer = TrainingState(), job.technique.optimizer(job.trained, job.optimization)
    job.stop = lambda: state.step == steps
    job.save = lambda state, optimizer, now: save(path, KEY, job, state, optimizer) if now else None
    with pytest.raises(Interrupted):
        train(job, state, optimizer)
    job.stop = lambda: False
    return state, optimizer


def numbers(optimizer):
    return {
        (slot, name): torch.as_tensor(value)
        for slot, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }


@pytest.mark.parametrize("technique", ["full", "linear-probe", "lora"])
def test_everything_comes_back(make_job, path, technique):
    job, other = (make_job(technique, steps=4) for _ in range(2))
    state, optimizer = half_way(job, path)
    fresh = other.technique.optimizer(other.trained, other.optimization)
    found = restore(path, KEY, other, fresh)
    assert (found.step, found.history, found.tokens) == (2, state.history, state.tokens)
    assert found.seconds == state.seconds and found.pending == []
    assert found.logits.keys() == state.logits.keys() == {("test", 0), ("test", 2)}
    for place, logits in state.logits.items():
        np.testing.assert_array_equal(found.logits[place], logits)
        assert found.logits[place].dtype == np.float32
    assert all(torch.equal(value, other.trained[name]) for name, value in job.trained.items())
    theirs, ours = numbers(optimizer), numbers(fresh)
    assert theirs.keys() == ours.keys() and all(torch.equal(value, ours[name]) for name, value in theirs.items())
    for before, after in zip(optimizer.param_groups, fresh.param_groups, strict=True):
        settings = {name: value for name, value in before.items() if name != "params"}
        assert settings | {"betas": list(settings["betas"])} == {
            name: list(value) if name == "betas" else value for name, value in after.items() if name != "params"
        }


def test_evaluations_come_back_in_their_order(make_job, path):
    job, other = (make_job("linear-probe", steps=14) for _ in range(2))
    state, _ = half_way(job, path, steps=13)
    assert list(state.logits) == [("test", step) for step in range(0, 13, 2)]
    found = restore(path, KEY, other, other.technique.optimizer(other.trained, other.optimization))
    assert list(found.logits) == list(state.logits)


def test_from_there_it_goes_on_to_the_same_bits(make_job, path):
    whole = make_job("full", family="distilbert", steps=5)
    expected = TrainingState()
    train(whole, expected, whole.technique.optimizer(whole.trained, whole.optimization))
    half_way(make_job("full", family="distilbert", steps=5), path, steps=3)
    resumed = make_job("full", family="distilbert", steps=5)
    optimizer = resumed.technique.optimizer(resumed.trained, resumed.optimization)
    state = restore(path, KEY, resumed, optimizer)
    train(resumed, state, optimizer)
    assert [row["loss"] for row in state.history] == [row["loss"] for row in expected.history]
    assert all(torch.equal(value, resumed.trained[name]) for name, value in whole.trained.items())


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells what a process has mapped")
@pytest.mark.parametrize("technique", ["full", "lora"])
def test_nothing_of_it_stays_in_the_file_which_windows_would_then_let_nobody_replace(make_job, path, technique):
    half_way(make_job(technique, steps=4), path)
    other = make_job(technique, steps=4)
    optimizer = other.technique.optimizer(other.trained, other.optimization)
    state = restore(path, KEY, other, optimizer)
    assert state.logits and optimizer.state
    assert str(path) not in Path("/proc/self/maps").read_text(encoding="utf-8")


@pytest.mark.parametrize("why", ["another key", "another format", "no file"])
def test_a_checkpoint_that_is_not_ours_gives_a_fresh_state_and_changes_nothing(make_job, path, monkeypatch, why):
    half_way(make_job(steps=4), path)
    other = make_job(steps=4)
    before = {name: value.detach().clone() for name, value in other.trained.items()}
    optimizer = other.technique.optimizer(other.trained, other.optimization)
    if why == "another format":
        monkeypatch.setattr(checkpoint, "FORMAT", checkpoint.FORMAT + 1)
    elif why == "no file":
        path.unlink()
    key = "n" * 64 if why == "another key" else KEY
    assert restore(path, key, other, optimizer) == TrainingState()
    assert recorded_execution(path, key) is None
    assert all(torch.equal(value, before[name]) for name, value in other.trained.items())
    assert optimizer.state_dict()["state"] == {}


def test_how_a_stage_was_computed_is_kept(make_job, path):
    job = make_job(steps=4, budget=77)
    half_way(job, path)
    assert recorded_execution(path, KEY) == job.execution and job.execution.micro_tokens == 77


def test_a_save_that_fails_leaves_the_one_before(make_job, path, monkeypatch):
    job = make_job(steps=4)
    state, optimizer = half_way(job, path)
    before = path.read_bytes()

    def torn(temporary, tensors, metadata):
        save_file(dict(list(tensors.items())[:1]), temporary, metadata=metadata)
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint, "save_tensors", torn)
    with pytest.raises(WriteError, match="disk full"):
        save(path, KEY, job, state, optimizer)
    assert path.read_bytes() == before and [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("how", ["length", "header", "first", "last", "torn", "empty"])
def test_a_damaged_checkpoint_is_never_gone_on_from(make_job, path, how):
    job = make_job(steps=4)
    half_way(job, path)
    content = bytearray(path.read_bytes())
    data = 8 + int.from_bytes(content[:8], "little")
    if how in ("torn", "empty"):
        content = content[: 0 if how == "empty" else -1]
    else:
        place = {"length": 0, "header": content.index(b"shape") + 8, "first": data, "last": -1}[how]
        content[place] ^= 1
    path.write_bytes(content)
    other, said = make_job(steps=4), []
    optimizer = other.technique.optimizer(other.trained, other.optimization)
    with pytest.raises(DamagedFile):
        restore(path, KEY, other, optimizer)
    assert recorded_execution(path, KEY, said.append) is None and not path.exists()
    assert len(said) == 1 and "is damaged" in said[0] and "begins anew" in said[0]
    assert restore(path, KEY, other, optimizer) == TrainingState()


# When


class Clock:
    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(checkpoint, "time", made)
    return made


@pytest.fixture
def saved(monkeypatch, clock):
    """The steps at which something was saved; each save takes `clock.cost` seconds."""
    steps = []

    def keep(path, key, job, state, optimizer):
        steps.append(state.step)
        clock.now += clock.cost

    clock.cost = 0.0
    monkeypatch.setattr(checkpoint, "save", keep)
    return steps


def walk(job, clock, keeper, seconds_a_step, now=()):
    for step in range(1, job.budget.steps + 1):
        clock.now += seconds_a_step
        keeper.save_when_due(job, TrainingState(step), None, step in now)


def test_it_saves_at_intervals(make_job, path, clock, saved):
    walk(make_job(steps=20), clock, Checkpointer(path, KEY, interval=60), 10)
    assert saved == [6, 12, 18]


def test_nothing_is_saved_at_the_last_step(make_job, path, clock, saved):
    walk(make_job(steps=6), clock, Checkpointer(path, KEY, interval=60), 10, now=[6])
    assert saved == []


def test_told_to_stop_it_saves_at_once(make_job, path, clock, saved):
    walk(make_job(steps=6), clock, Checkpointer(path, KEY, interval=60), 1, now=[2])
    assert saved == [2]


def test_slow_saving_is_done_less_often(make_job, path, clock, saved):
    """A save of 6 s may cost 2% of the time, so the next one comes 300 s later."""
    clock.cost = 6.0
    walk(make_job(steps=100), clock, Checkpointer(path, KEY, interval=60), 10)
    assert saved[:3] == [6, 36, 66]


def test_losses_on_the_device_are_waited_for(make_job, path, clock, saved):
    job, keeper = make_job(steps=6), Checkpointer(path, KEY, interval=60)
    clock.now = 100.0
    keeper.save_when_due(job, TrainingState(1, pending=[("row", None, None, None)]), None, False)
    assert saved == []
    keeper.save_when_due(job, TrainingState(2), None, False)
    assert saved == [2]


def test_it_is_an_open_format_without_pickle(make_job, path):
    job = make_job("lora", steps=4)
    half_way(job, path)
    names = load_file(path).keys()
    assert {name.split("/")[0] for name in names} == {"weights", "optimizer", "logits"}
    assert {f"weights/{name}" for name in job.trained} <= names
