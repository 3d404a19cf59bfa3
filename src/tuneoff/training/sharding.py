"""A stage's weights, gradients and moments split among the processes of a team: fully sharded data parallel.

Each process has a part of every weight, of its gradient and of its moments; a layer's weights are brought together for
as long as it is computed, and its gradient is added up and split as soon as it is known (Zhao et al. 2023,
arXiv 2304.11277; torch's `fully_shard`, as accelerate's FSDP 2 calls it). A step is the same as without, but for
rounding.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from tuneoff.models.checkpointing import outermost_layers
from tuneoff.models.classifier import TextClassifier
from tuneoff.planned import PlannedStage
from tuneoff.techniques.base import Technique
from tuneoff.training.build import Ancestor, make_technique, trainable
from tuneoff.training.inputs import TokenInputs
from tuneoff.training.memory import release
from tuneoff.training.order import Rows
from tuneoff.training.ready import Ready, prepared
from tuneoff.training.shortage import SHORTAGES, is_shortage, of_one_process
from tuneoff.training.team import Part, Team
from tuneoff.training.workplace import Workplace


class ShardedTeam(Team):
    """A team at a stage whose weights are split: every process computes as many micro-batches as all others."""

    sharded = True
    # What inference mode makes of gathered weights could not be used in a step afterwards.
    without_gradients = staticmethod(torch.no_grad)

    def __init__(self, team: Team) -> None:
        super().__init__(shard=True)
        self.size, self.index, self._device = team.size, team.index, team._device
        self._left_out: list[torch.nn.Parameter] = []

    def share(self, parts: Sequence[Rows]) -> list[Part]:
        """Return the micro-batches that this process computes; where they are fewer than elsewhere, the first again."""
        own = super().share(parts)
        rounds = -(-len(parts) // self.size)
        return own if len(own) == rounds else [*own, Part(0, parts[0], counts=False)]

    def select(self, trained: Mapping[str, torch.nn.Parameter], chosen: Collection[str]) -> None:
        """Remember which gradients the next step leaves out: what is gathered has them or not once and for all."""
        self._left_out = [parameter for name, parameter in trained.items() if name not in chosen]

    def add_gradients(self, trained: Collection[torch.nn.Parameter]) -> None:
        """Drop the gradients that this step leaves out; the others were added up layer by layer."""
        for parameter in self._left_out:
            parameter.grad = None

    def whole(self, tensor: Tensor) -> Tensor:
        """Return all of a weight, or of what is kept for it, on the CPU."""
        return super().whole(self.number(tensor.detach()))

    def own(self, value: Tensor, like: Tensor) -> Tensor:
        """Return what this process has of a value, as it has it of the weight `like`."""
        if not isinstance(like, DTensor):
            return value
        return distribute_tensor(value.to(like.device), like.device_mesh, like.placements, src_data_rank=None)

    def number(self, tensor: Tensor) -> Tensor:
        """Return a tensor that is computed from all processes' weights."""
        return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def shards(stage: PlannedStage, place: Workplace, team: Team) -> int:
    """Return among how many processes a stage's weights will be split, as far as that is known before it is made."""
    return 1 if not team.shard or _never_split(make_technique(stage.spec), place) else team.size


def split_if_asked(stage: PlannedStage, place: Workplace, ready: Ready, team: Team) -> tuple[Ready, Team]:
    """Split the weights of a stage that is to begin, if the user asks for it and it can be; else say why it cannot.

    Returns the stage with its parameters as they then are, and the team that they are split among.
    """
    if not team.shard:
        return ready, team
    if reason := why_whole(ready, place):
        told = f"{stage.address.chain}: every process has all its weights in spite of --shard, for {reason}"
        if told not in team.told:  # once for all seeds
            team.told.add(told)
            place.note(told)
        return ready, team
    mesh = init_device_mesh(place.accelerator.device.type, (team.size,))
    # A head that is fitted at once, by no step, is fitted by each process.
    shard(ready.classifier, mesh, with_head=not ready.technique.fits_head)
    return replace(ready, trained=trainable(ready.classifier)), ShardedTeam(team)


def why_whole(ready: Ready, place: Workplace) -> str | None:
    """Return why a stage's weights stay whole in every process; None where they can be split."""
    if not isinstance(ready.inputs, TokenInputs):
        return "what is frozen is computed once, and what is left of it is small"
    if reason := _never_split(ready.technique, place):
        return reason
    owners: dict[int, int] = {}
    for number, part in enumerate(_parts(ready.classifier)[:-1]):
        for parameter in part.parameters():
            if owners.setdefault(id(parameter), number) != number:
                return "its layers share some of their weights"
    return None


def _never_split(technique: Technique, place: Workplace) -> str | None:
    """Return why a technique's weights stay whole on any model; None where they may be split."""
    kind = type(technique)
    if place.model.load is not None:
        return "weights in 4 bits cannot be split"
    if kind.optimizer is not Technique.optimizer or kind.after_step is not Technique.after_step:
        return "its optimizer reads whole weights"
    if technique.virtual_tokens:
        return "it trains virtual tokens, which belong to no layer"
    return None


def _parts(classifier: TextClassifier) -> list[nn.Module]:
    """Return the modules whose weights are brought together at once: each layer, and then what is left."""
    return [*outermost_layers(classifier.backbone), classifier.backbone]


def shard(classifier: TextClassifier, mesh: DeviceMesh, *, with_head: bool) -> None:
    """Split a classifier's weights over the processes of a mesh: layer by layer, then what is left, then the head."""
    parts = _parts(classifier)
    if classifier.head is not None and with_head:
        parts.append(classifier.head)
    for part in parts:
        # By default what the first part gathers is kept after an evaluation, and best weights put back would not count.
        fully_shard(part, mesh=mesh, reshard_after_forward=True)
        assert isinstance(part, FSDPModule)
        # Each loss is weighted by its share of the batch already. gloo, told to average, would add up without a word.
        part.set_gradient_divide_factor(1.0)
        part.set_force_sum_reduction_for_comms(True)


@contextmanager
def ending_at_shortage(team: Team) -> Iterator[None]:
    """Make running out of memory an ExecutorError where weights are split: the others cannot be told, and wait."""
    try:
        yield
    except SHORTAGES as error:
        if not team.sharded or not is_shortage(error):
            raise
        raise of_one_process(team, error) from error


@dataclass(frozen=True)
class Handed:
    """A stage whose weights were split, after its last step: all that it trained, on the CPU, and what it cost."""

    values: Mapping[str, Tensor]
    ready: Mapping[str, Any]


def hand_over(ready: Ready, team: Team) -> Handed:
    """Return what a stage trained from every process's parts; all processes do."""
    values = {name: team.whole(value) for name, value in ready.trained.items()}
    kept = ("execution", "seconds", "seconds_alone", "seconds_before")
    return Handed(values, {name: getattr(ready, name) for name in kept})


def together_again(stage: PlannedStage, place: Workplace, ancestors: Sequence[Ancestor], handed: Handed) -> Ready:
    """Return a stage that has been trained as if its weights had never been split.

    The caller lets the split ones go before, so that it needs no more memory than when the stage began.
    """
    release()
    again = prepared(stage, place, ancestors, handed.ready["execution"])
    with torch.no_grad():
        for name, value in handed.values.items():
            again.trained[name].copy_(value)
    return replace(again, **handed.ready)
