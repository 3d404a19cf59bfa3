"""The texts of a micro-batch one after another in one row, so that nothing is computed for padding."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from tuneoff.models.pooling import at_least_float32
from tuneoff.models.text import Ids, segments
from tuneoff.study import Pooling

if TYPE_CHECKING:
    from tuneoff.models.classifier import TextClassifier


@dataclass(frozen=True)
class Packed:
    """Texts in one row: `input_ids` and `position_ids` [1, N], the latter from 0 in each text, and their `lengths`.

    `segment_ids` [1, N] is None for models that number no segments.
    """

    input_ids: Tensor
    position_ids: Tensor
    segment_ids: Tensor | None
    lengths: tuple[int, ...]


def pack(ids: Sequence[Ids], separator: int | None, device: torch.device) -> Packed:
    """Return texts' token ids in one row; `separator` as in `text.segment_separator`."""

    def row(parts: Sequence[np.ndarray]) -> Tensor:
        return torch.from_numpy(np.concatenate(parts).astype(np.int64))[None].to(device)

    numbered = None if separator is None else row([segments(text, separator) for text in ids])
    return Packed(row(ids), row([np.arange(len(text)) for text in ids]), numbered, tuple(map(len, ids)))


def pool_packed(hidden: Tensor, lengths: Sequence[int], kind: Pooling) -> Tensor:
    """Return a float32 vector [B, H] for each text from the hidden states [N, H] of a row; see `pooling.pool`."""
    sizes = torch.tensor(lengths, device=hidden.device)
    ends = sizes.cumsum(0)
    if kind == "mean":
        owners = torch.repeat_interleave(torch.arange(len(lengths), device=hidden.device), sizes)
        hidden = at_least_float32(hidden)
        sums = hidden.new_zeros(len(lengths), hidden.shape[1]).index_add(0, owners, hidden)
        return sums / sizes[:, None]
    if kind not in ("first", "last"):
        raise ValueError(f"pooling {kind} depends on padding, so texts cannot be packed")
    return at_least_float32(hidden[ends - 1 if kind == "last" else ends - sizes])


def packs_exactly(classifier: "TextClassifier", ids: Sequence[Ids]) -> bool:
    """Return whether packing gives each text the vector that it has alone, padded; `ids` are two texts or more.

    Tried rather than known: some architectures mix neighbours in (convolutions, state spaces, attention of their own).
    """
    device = next(classifier.parameters()).device
    with torch.no_grad():
        try:
            packed = classifier.packed_vectors(pack(ids, classifier.separator, device))
        except (TypeError, ValueError, RuntimeError, NotImplementedError):
            return False  # what the architecture takes or asks for is not known to `packed_attention`
        alone = []
        for text in ids:
            row = torch.from_numpy(text.astype(np.int64))[None].to(device)
            alone.append(classifier.vectors(row, torch.ones_like(row)))
    expected = torch.cat(alone)
    error = (packed - expected).norm(dim=1) / expected.norm(dim=1).clamp(min=1e-6)
    exact = next(classifier.backbone.parameters()).dtype in (torch.float32, torch.float64)
    return bool((error < (1e-4 if exact else 0.05)).all())
