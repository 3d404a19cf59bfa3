"""What a classifier is fed: token ids in padded micro-batches, or vectors computed once."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuneoff.models.classifier import TextClassifier
from tuneoff.models.packing import Packed, pack
from tuneoff.models.text import Tokens, collate
from tuneoff.training.order import Rows, micro_batches, packed_batches


class Inputs(Protocol):
    """Rows of the splits, ready to be turned into logits."""

    def parts(self, split: str, rows: Rows) -> list[Rows]:
        """Cut rows into micro-batches: positions into `rows`, each in exactly one part.

        Rows [2, N] are pairs, which are cut as N rows of the length of both.
        """
        ...

    def logits(self, classifier: TextClassifier, split: str, rows: Rows) -> Tensor:
        """Return logits [B, C] in fp32 of one micro-batch."""
        ...

    def tokens(self, split: str, rows: Rows) -> tuple[int, int]:
        """Return real and computed (padded) tokens of one micro-batch."""
        ...


class TokenInputs:
    """Token ids in micro-batches of at most `budget` tokens: packed into one row, or padded to the longest."""

    def __init__(
        self,
        tokens: Mapping[str, Tokens],
        budget: int,
        device: torch.device,
        *,
        packed: bool = False,
        as_one: bool = False,
    ) -> None:
        """`packed` is for packable classifiers; `as_one` keeps a batch whole (for poolings that depend on it)."""
        self.ids: Mapping[str, Sequence[NDArray[np.int32]]] = {name: split.ids for name, split in tokens.items()}
        self.lengths = {name: np.array([len(text) for text in split.ids]) for name, split in tokens.items()}
        self.budget = budget
        self.device = device
        self.packed = packed
        self.as_one = as_one
        self.extra = 0  # tokens that are computed for each text beside its own

    def suit(self, classifier: TextClassifier, packed: bool) -> None:
        """Cut micro-batches for a classifier as a technique has made it, which may be other than it was loaded."""
        self.packed = packed
        self.extra = classifier.virtual_tokens

    def parts(self, split: str, rows: Rows) -> list[Rows]:
        """Cut rows into micro-batches by length and token budget."""
        if self.as_one:
            return [np.arange(rows.shape[-1], dtype=np.int64)]
        lengths = self.lengths[split][rows] + self.extra
        if self.packed:
            return packed_batches(lengths if rows.ndim == 1 else lengths.sum(axis=0), self.budget)
        return micro_batches(lengths if rows.ndim == 1 else 2 * lengths.max(axis=0), self.budget)

    def logits(self, classifier: TextClassifier, split: str, rows: Rows) -> Tensor:
        """Return logits [B, C] in fp32 of one micro-batch."""
        if self.packed:
            return classifier.classify(self.vectors(classifier, split, rows))
        logits: Tensor = classifier(*self._padded(classifier, split, rows))
        return logits

    def vectors(self, classifier: TextClassifier, split: str, rows: Rows) -> Tensor:
        """Return pooled vectors [B, H] in fp32 of one micro-batch."""
        if self.packed:
            return classifier.packed_vectors(self._packed(classifier, split, rows))
        return classifier.vectors(*self._padded(classifier, split, rows))

    def batches(self, classifier: TextClassifier, split: str) -> Iterator[dict[str, Tensor]]:
        """Yield a whole split as padded micro-batches of input_ids and attention_mask, each row once."""
        for part in self.parts(split, np.arange(len(self.ids[split]), dtype=np.int64)):
            ids, mask = self._padded(classifier, split, part)
            yield {"input_ids": ids, "attention_mask": mask}

    def _padded(self, classifier: TextClassifier, split: str, rows: Rows) -> tuple[Tensor, Tensor]:
        ids, mask = collate([self.ids[split][row] for row in rows], classifier.pad_id, classifier.pad_side)
        return ids.to(self.device, non_blocking=True), mask.to(self.device, non_blocking=True)

    def _packed(self, classifier: TextClassifier, split: str, rows: Rows) -> Packed:
        return pack([self.ids[split][row] for row in rows], classifier.separator, self.device)

    def tokens(self, split: str, rows: Rows) -> tuple[int, int]:
        """Return real and computed (real or padding) tokens of one micro-batch."""
        lengths = self.lengths[split][rows]
        real = int(lengths.sum())
        return real, real if self.packed else (int(lengths.max()) + self.extra) * len(rows)


class VectorInputs:
    """Pooled vectors of a frozen backbone, [N, H] a split."""

    def __init__(self, vectors: Mapping[str, Tensor]) -> None:
        self.vectors = vectors

    def parts(self, split: str, rows: Rows) -> list[Rows]:
        """Return all rows as one part: vectors have no padding."""
        return [np.arange(len(rows), dtype=np.int64)]

    def logits(self, classifier: TextClassifier, split: str, rows: Rows) -> Tensor:
        """Return logits [B, C] in fp32 of one micro-batch."""
        vectors = self.vectors[split]
        return classifier.classify(vectors[torch.from_numpy(rows).to(vectors.device)])

    def tokens(self, split: str, rows: Rows) -> tuple[int, int]:
        """Return no tokens: the backbone is not computed."""
        return 0, 0
