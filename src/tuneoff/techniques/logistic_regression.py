"""Logistic regression: the head is fitted on vectors of the frozen backbone to the end, without gradient steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from tuneoff.section import keyed
from tuneoff.techniques.base import PAIR_HEAD, StageSettings, Technique

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from tuneoff.models.classifier import TextClassifier


class LogisticRegressionSettings(StageSettings):
    """Settings of logistic regression."""

    learning_rate: float = keyed(1.0, doc="Has no effect here: nothing is trained in steps.", gt=0)
    c: float | None = keyed(
        None, doc="Inverse strength of the penalty; chosen by cross-validation on train if left out.", gt=0
    )
    features: Literal["text", "pair"] = keyed(
        "text", doc="The vector of the text, or, of two texts read each by itself, u, v, |u - v| and u * v."
    )


class LogisticRegression(Technique):
    """Fit the head by penalised logistic regression (Cox 1958): what linear probing tends to, without its rate.

    The minimum is unique, so all seeds end with the same head. The penalty's strength is chosen in folds of train that
    keep groups together.
    """

    name = "logistic-regression"
    summary = "fit the head by logistic regression, without gradient steps; the backbone is frozen"
    settings_class = LogisticRegressionSettings
    changes_weights = False
    gradient_free = True
    uses_groups = True
    _groups: Sequence[str] | None = None

    def __init__(self, settings: StageSettings) -> None:
        super().__init__(settings)
        if self.reads_pairs:
            self.ends_a_chain, self.keeps_logits = PAIR_HEAD, False

    @property
    def reads_pairs(self) -> bool:
        """Whether the two texts of a task are read each by itself."""
        assert isinstance(self.settings, LogisticRegressionSettings)
        return self.settings.features == "pair"

    def apply(self, classifier: TextClassifier) -> None:
        """Let the head be what is fitted, and saved; four times as wide for pairs."""
        classifier.requires_grad_(False)
        if self.reads_pairs:
            from tuneoff.models.pairs import widen

            widen(classifier)
        for parameter in classifier.head_parameters().values():
            parameter.requires_grad_(True)

    def hear_train(self, labels: NDArray[np.int64], groups: Sequence[str] | None) -> None:
        """Keep the groups, within which folds are not cut."""
        self._groups = groups

    def fit(self, classifier: TextClassifier, vectors: Tensor, labels: Tensor) -> None:
        """Put the weights that minimise the penalised loss on train into the head."""
        from tuneoff.training.logistic import fit_head

        assert isinstance(self.settings, LogisticRegressionSettings)
        fit_head(classifier.head, vectors, labels, self.settings.c, self._groups)
