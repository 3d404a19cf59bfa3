"""From hidden states to one vector a text."""

import torch
from torch import Tensor

from tuneoff.study import Pooling


def pool(hidden: Tensor, mask: Tensor, kind: Pooling) -> Tensor:
    """Return a float32 vector [B, H] for each text from hidden states [B, T, H] and the mask [B, T] of zeros and ones.

    `last`: the last attended token. `first`: the first attended token. `mean`: the mean of the attended tokens. These
    three are the same whichever side is padded, and read nothing of the padding.

    `misindexed` is a defect, kept for replicating the experiment of 2025 and for nothing else: the token at index
    (attended tokens - 1) counted from the start of the row. With padding on the left, as it was used, that is a token
    from the middle of a text, or padding, for all but the longest text of a batch; the vector depends on the batch.
    """
    if kind == "mean":
        # Not a product with the mask: what stands at padding may be no finite number.
        attended = at_least_float32(hidden).masked_fill(~mask.bool().unsqueeze(-1), 0.0)
        return attended.sum(dim=1) / mask.sum(dim=1, keepdim=True)
    if kind == "first":
        index = mask.argmax(dim=1)
    elif kind == "last":
        index = mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)
    else:
        index = mask.sum(dim=1) - 1
    return at_least_float32(hidden[torch.arange(len(hidden), device=hidden.device), index])


def at_least_float32(tensor: Tensor) -> Tensor:
    """Return a tensor in float32, or as it is where it is more exact."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
