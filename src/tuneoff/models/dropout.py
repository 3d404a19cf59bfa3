"""Dropout on a CPU without its cost: random bits by the word, masks that are multiplied in."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

LEVELS = 1 << 16  # a mask's numbers are drawn with 16 bits, so a rate is met to within 1 / 131072


def light_mask(shape: Sequence[int], rate: float) -> tuple[Tensor, float]:
    """Return an int16 mask of ones (kept) and zeros, and the factor 1 / (share kept) that keeps the mean.

    torch draws masks on a CPU number by number, by one thread, with a Mersenne twister: about 10 ns each, against
    under 1 ns here (SFC64, four numbers a word). The seed of each mask comes from torch's global generator, so a mask
    follows `torch.manual_seed`, and is drawn again where activations are computed again for the backward pass.
    """
    count = math.prod(shape)
    dropped = round(rate * LEVELS)
    seed = int(torch.randint(2**62, (1,)).item())
    words = np.random.SFC64(seed).random_raw(-(-count // 4))
    mask = torch.from_numpy(words.view(np.int16))[:count].ge_(dropped - LEVELS // 2)
    return mask.view(*shape), LEVELS / (LEVELS - dropped)


class _Drop(torch.autograd.Function):
    """Multiply by a mask and its factor, forwards and backwards."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, rate: float) -> Tensor:
        mask, ctx.factor = light_mask(values.shape, rate)
        ctx.save_for_backward(mask)
        return mask.to(values.dtype).mul_(ctx.factor).mul_(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (mask,) = ctx.saved_tensors
        return mask.to(gradients[0].dtype).mul_(ctx.factor).mul_(gradients[0]), None


class LightDropout(nn.Dropout):
    """Dropout (Srivastava et al. 2014) with masks by `light_mask`: other masks than torch's, of the same law."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the values with a share of `p` set to zero and the others scaled up, in training mode; else as is."""
        if not self.training or self.p == 0:
            return input
        if input.device.type != "cpu" or self.p >= 1:
            return super().forward(input)
        dropped: Tensor = _Drop.apply(input, self.p)  # type: ignore[no-untyped-call]  # torch leaves it so
        return dropped


def lighten_dropout(model: nn.Module) -> None:
    """Put `LightDropout` in the place of each plain dropout; modes and rates stay."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Dropout:
                setattr(parent, name, LightDropout(child.p).train(child.training))
