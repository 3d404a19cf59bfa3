"""Several processes at one stage: each computes a share of every batch, and all of them take the same step."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, TypeVar

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.distributed import ReduceOp

from tuneoff.training.order import Rows

Value = TypeVar("Value")


class Part(NamedTuple):
    """A micro-batch that a process computes: its number among all of a batch, its rows, and whether it counts.

    One that does not count is computed by another process too, and only here to keep this one in step.
    """

    number: int
    rows: Rows
    counts: bool = True


class Team:
    """The processes that accelerate has brought together; this process alone where `accelerator` is None.

    Each has all weights, gradients and moments; `sharding.ShardedTeam` has them split. `shard` says that the user asks
    for that, where it can be, and `told` what was said of where it cannot.

    Every method but `share` and `select` is called by all processes at the same point, and gives the same in each.
    """

    #: Whether each process has but a part of the weights: then all must take part in everything, to its end.
    sharded = False
    #: How evaluations are computed.
    without_gradients: Callable[[], AbstractContextManager[Any]] = staticmethod(torch.inference_mode)

    def __init__(self, accelerator: Accelerator | None = None, *, shard: bool = False) -> None:
        self.size: int = accelerator.num_processes if accelerator else 1
        self.index: int = accelerator.process_index if accelerator else 0
        self.shard = shard
        self.told: set[str] = set()
        self._device: torch.device = accelerator.device if accelerator else torch.device("cpu")

    def share(self, parts: Sequence[Rows]) -> list[Part]:
        """Return the micro-batches that this process computes."""
        return [Part(number, rows) for number, rows in enumerate(parts)][self.index :: self.size]

    def select(self, trained: Mapping[str, torch.nn.Parameter], chosen: Collection[str]) -> None:
        """Let the parameters that the next step trains get gradients, and no others."""
        for name, parameter in trained.items():
            parameter.requires_grad_(name in chosen)

    def whole(self, tensor: Tensor) -> Tensor:
        """Return all of a weight, or of what is kept for it, on the CPU."""
        return tensor.detach().cpu()

    def own(self, value: Tensor, like: Tensor) -> Tensor:
        """Return what this process has of a value, as it has it of the weight `like`."""
        return value

    def number(self, tensor: Tensor) -> Tensor:
        """Return a number that was computed from all processes' weights."""
        return tensor

    def any(self, here: bool) -> bool:
        """Return whether something is so in any process."""
        return here if self.size == 1 else bool(self._reduced([float(here)], ReduceOp.MAX)[0])

    def most(self, number: int) -> int:
        """Return the largest of the processes' numbers."""
        return number if self.size == 1 else int(self._reduced([float(number)], ReduceOp.MAX)[0])

    def total(self, *numbers: int) -> list[int]:
        """Return the sums of the processes' numbers."""
        if self.size == 1:
            return list(numbers)
        return [round(number) for number in self._reduced([float(number) for number in numbers], ReduceOp.SUM)]

    def add(self, *tensors: Tensor) -> None:
        """Add up the processes' tensors, in place; logits and the like may be on the CPU."""
        if self.size == 1:
            return
        for tensor in tensors:
            there = tensor.to(self._device)
            torch.distributed.all_reduce(there)
            if there is not tensor:
                tensor.copy_(there)

    def add_gradients(self, trained: Collection[torch.nn.Parameter]) -> None:
        """Add up the processes' gradients; one that had no share of the batch adds nothing.

        A parameter that got none in any process keeps none, so that the optimizer leaves it alone.
        """
        if self.size == 1:
            return
        parameters = [parameter for parameter in trained if parameter.requires_grad]
        there = self._reduced([float(one.grad is not None) for one in parameters], ReduceOp.MAX)
        used = [parameter for parameter, is_there in zip(parameters, there, strict=True) if is_there]
        for parameter in used:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        pending = [torch.distributed.all_reduce(one.grad, async_op=True) for one in used if one.grad is not None]
        for work in pending:
            work.wait()

    def same(self, value: Value | None = None) -> Value:
        """Return the first process's value, whatever the others give."""
        box: list[Any] = [value]
        if self.size > 1:
            torch.distributed.broadcast_object_list(box, src=0)
        found: Value = box[0]
        return found

    def wait(self) -> None:
        """Wait until all processes are here."""
        self.any(False)

    def _reduced(self, numbers: Sequence[float], how: "ReduceOp.RedOpType") -> list[float]:
        tensor = torch.tensor(numbers, dtype=torch.float64, device=self._device)
        torch.distributed.all_reduce(tensor, op=how)
        found: list[float] = tensor.tolist()
        return found


ALONE = Team()
