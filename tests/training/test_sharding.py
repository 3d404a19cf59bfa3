"""What a process has of split weights, and what it computes; several at work are in executors/test_together.py."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.testing._internal.distributed.fake_pg import FakeStore

from tuneoff.errors import ExecutorError
from tuneoff.models.classifier import load_classifier
from tuneoff.plan import make_plan
from tuneoff.running import prepare
from tuneoff.training.build import trainable
from tuneoff.training.ready import prepared
from tuneoff.training.sharding import ShardedTeam, ending_at_shortage, shard, why_whole
from tuneoff.training.shortage import agreed
from tuneoff.training.team import ALONE, Team


def team_of(size, index):
    made = Team(shard=True)
    made.size, made.index = size, index
    return ShardedTeam(made)


@contextmanager
def mesh_of_four():
    """Four processes, of which this is the third and the others are not there: nothing is exchanged."""
    torch.distributed.init_process_group("fake", rank=2, world_size=4, store=FakeStore())
    yield init_device_mesh("cpu", (4,))
    torch.distributed.destroy_process_group()


@pytest.mark.parametrize("family", ["bert", "qwen3", "t5"])
def test_a_process_has_its_share_of_every_weight_under_its_old_name(resolve, family):
    classifier = load_classifier(resolve(family), ["a", "b"], device="cpu").requires_grad_(True)
    shapes = {name: value.shape for name, value in trainable(classifier).items()}
    before = {name: value.detach().clone() for name, value in trainable(classifier).items()}
    with mesh_of_four() as mesh:
        shard(classifier, mesh, with_head=True)
        team = team_of(4, 2)
        assert {name: value.shape for name, value in trainable(classifier).items()} == shapes
        for name, value in trainable(classifier).items():
            rows = before[name].chunk(4)  # by the first dimension; the last processes may have less, or nothing
            mine = rows[2] if len(rows) > 2 else before[name][:0]
            assert torch.equal(value.to_local(), mine), name
            assert torch.equal(team.own(before[name], value).to_local(), mine), name


def test_all_processes_compute_as_often_as_the_others_and_each_part_counts_once():
    for size in (2, 3, 9):
        for count in (1, 2, 7, 9):
            parts = [np.array([row]) for row in range(count)]
            taken = [team_of(size, index).share(parts) for index in range(size)]
            assert len({len(one) for one in taken}) == 1
            assert sorted(part.number for one in taken for part in one if part.counts) == list(range(count))
            assert all(part.rows is parts[part.number] for one in taken for part in one)


def test_a_gradient_that_a_step_leaves_out_is_dropped():
    team = team_of(2, 0)
    trained = {name: torch.nn.Parameter(torch.ones(2)) for name in "ab"}
    team.select(trained, {"b"})
    for parameter in trained.values():
        assert parameter.requires_grad  # what is gathered for a layer has a gradient or has none from the start
        parameter.grad = torch.ones(2)
    team.add_gradients(trained.values())
    assert trained["a"].grad is None and trained["b"].grad is not None


def test_memory_that_runs_out_ends_the_command_since_the_others_wait_within_a_layer():
    told = r"process 2 of 3 \(no more\); lower protocol.micro_tokens"
    with pytest.raises(ExecutorError, match=told), agreed(team_of(3, 1)):
        raise MemoryError("no more")
    with pytest.raises(RuntimeError, match="something else"), agreed(team_of(3, 1)):
        raise RuntimeError("something else")
    with pytest.raises(ExecutorError, match=told), ending_at_shortage(team_of(3, 1)):
        raise MemoryError("no more")
    with pytest.raises(MemoryError, match="no more"), ending_at_shortage(ALONE):
        raise MemoryError("no more")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("full", None),
        ("lora", None),
        ("adalora", "its optimizer reads whole weights"),
        ("prompt", "it trains virtual tokens, which belong to no layer"),
        ({"name": "vb", "peft": {"type": "vblora", "vector_length": 4}}, "its layers share some of their weights"),
    ],
)
def test_what_stays_whole_says_why(study, listener, entry, reason):
    prepared_study = prepare(study([entry], "qwen3"), listener())
    (place,) = prepared_study.places.values()
    (stage,) = make_plan(prepared_study.read.study, prepared_study.questions, None).stages
    assert why_whole(prepared(stage, place, [], place.execution), place) == reason
