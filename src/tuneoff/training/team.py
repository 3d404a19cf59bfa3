"""Several processes at one stage: each computes a share of every batch, and all of them take the same step."""

from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.distributed import ReduceOp

from tuneoff.training.order import Rows

Value = TypeVar("Value")


class Team:
    """The processes that accelerate has brought together; this process alone where `accelerator` is None.

    Every method but `share` is called by all processes at the same point, and gives the same in each.
    """

    def __init__(self, accelerator: Accelerator | None = None) -> None:
        self.size: int = accelerator.num_processes if accelerator else 1
        self.index: int = accelerator.process_index if accelerator else 0
        self._device: torch.device = accelerator.device if accelerator else torch.device("cpu")

    def share(self, parts: Sequence[Rows]) -> list[tuple[int, Rows]]:
        """Return the micro-batches that this process computes, each with its number among all of them."""
        return list(enumerate(parts))[self.index :: self.size]

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

    def add_gradients(self, parameters: Sequence[torch.nn.Parameter]) -> None:
        """Add up the processes' gradients; one that had no share of the batch adds nothing.

        A parameter that got none in any process keeps none, so that the optimizer leaves it alone.
        """
        if self.size == 1:
            return
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
