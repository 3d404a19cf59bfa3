"""SetFit: the backbone learns which texts have the same label, then the head is fitted on its vectors."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from tuneoff.section import keyed
from tuneoff.techniques.base import StageSettings, Technique

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from tuneoff.models.classifier import TextClassifier


class SetfitSettings(StageSettings):
    """Settings of SetFit. The default rate is that of its authors' library."""

    learning_rate: float = keyed(2e-5, doc="Of the backbone.", gt=0)
    c: float | None = keyed(
        None, doc="Inverse strength of the head's penalty; chosen by cross-validation on train if left out.", gt=0
    )


class Setfit(Technique):
    """Train the backbone on pairs of texts, then fit the head (Tunstall et al. 2022, arXiv 2209.11055).

    Each text of a batch is held against another of train, half of them of its own label: the cosine of their vectors is
    to be 1 where the labels are equal and 0 elsewhere. The head is fitted by logistic regression before each
    evaluation, so at step 0 it is that of `logistic-regression`.
    """

    name = "setfit"
    summary = "train the backbone on pairs of same and other label, and fit the head by logistic regression"
    settings_class = SetfitSettings
    fits_head = True
    uses_groups = True

    def apply(self, classifier: TextClassifier) -> None:
        """Make every parameter trainable; the head is fitted, and saved with them."""
        classifier.requires_grad_(True)
        self._head = frozenset(classifier.head_parameters())

    def train_mode(self, classifier: TextClassifier) -> None:
        """Switch on all of the model's own dropout."""
        classifier.train()

    def hear_train(self, labels: NDArray[np.int64], groups: Sequence[str] | None) -> None:
        """Keep which rows have which label, and the groups."""
        self._labels, self._groups = labels, groups

    def trainable_at(self, step: int, steps: int, names: Collection[str]) -> Collection[str]:
        """Return all but the head, which no pair's loss depends on."""
        return [name for name in names if name not in self._head]

    def partners(self, rows: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
        """Draw for every second row another one of its label, for the others one of another label.

        Where there is none of the kind wanted, it is one of the other kind.
        """
        import numpy as np

        numbers = np.random.default_rng(seed)
        found = np.empty_like(rows)
        for place, row in enumerate(rows):
            same = self._labels == self._labels[row]
            same_ones, others = np.flatnonzero(same & (np.arange(len(same)) != row)), np.flatnonzero(~same)
            wanted, instead = (same_ones, others) if place % 2 == 0 else (others, same_ones)
            pool = wanted if len(wanted) else instead
            found[place] = numbers.choice(pool) if len(pool) else row
        return found

    def pair_loss(self, first: Tensor, second: Tensor, alike: Tensor) -> Tensor:
        """Return the squared distance of each pair's cosine from 1 (same label) or 0 (another)."""
        import torch

        return (torch.nn.functional.cosine_similarity(first, second) - alike.to(first.dtype)).square()

    def fit(self, classifier: TextClassifier, vectors: Tensor, labels: Tensor) -> None:
        """Put the weights that minimise the penalised loss on train into the head."""
        from tuneoff.training.logistic import fit_head

        assert isinstance(self.settings, SetfitSettings)
        fit_head(classifier.head, vectors, labels, self.settings.c, self._groups)
