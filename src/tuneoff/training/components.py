"""The principal components of what some layers are given, over a whole pass through the data."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn


class InputMoments:
    """Counts, sums and products of the inputs of some layers, in float64, padding aside.

    Layers that are given one and the same tensor (queries and values) are counted once. Set `mask` [B, T] before each
    pass through the model.
    """

    def __init__(self, layers: Mapping[str, nn.Module]) -> None:
        self.mask = torch.ones(0)
        self._layers = layers
        self._sums: dict[str, tuple[int, Tensor, Tensor]] = {}
        self._leaders: dict[str, str] = {}
        self._given: dict[str, Tensor] = {}

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Count what the layers are given while inside."""
        hooks = [
            layer.register_forward_pre_hook(lambda _, given, name=name: self._count(name, given[0]))
            for name, layer in self._layers.items()
        ]
        try:
            yield
        finally:
            self._given.clear()
            for hook in hooks:
                hook.remove()

    def seen(self, name: str) -> bool:
        """Return whether a layer was given anything."""
        return name in self._leaders

    def components(self, name: str, count: int) -> Tensor:
        """Return the leading eigenvectors [count, D] of the covariance of a layer's inputs, the largest first.

        Their signs are chosen so that the largest number of each is positive.
        """
        total, sums, products = self._sums[self._leaders[name]]
        mean = sums / total
        _, vectors = torch.linalg.eigh(products / total - torch.outer(mean, mean))
        leading = vectors.flip(1)[:, :count].T
        largest = leading.gather(1, leading.abs().argmax(dim=1, keepdim=True))
        turned: Tensor = leading * largest.sign()
        return turned

    def _count(self, name: str, given: Tensor) -> None:
        self._given[name] = given
        leader = self._leaders.setdefault(name, self._first_with(given) or name)
        if leader != name:
            return
        rows = given[self.mask.bool()] if given.shape[:-1] == self.mask.shape else given.flatten(0, -2)
        rows = rows.double()
        before: tuple[Any, Any, Any] = self._sums.get(name, (0, 0, 0))
        self._sums[name] = (before[0] + len(rows), before[1] + rows.sum(dim=0), before[2] + rows.T @ rows)

    def _first_with(self, given: Tensor) -> str | None:
        """Return the layer that was given this very tensor before, in the same pass."""
        return next((name for name, tensor in self._given.items() if tensor is given and name in self._sums), None)
