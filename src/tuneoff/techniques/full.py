"""Full fine-tuning: every weight of backbone and head is trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneoff.section import keyed
from tuneoff.techniques.base import StageSettings, Technique

if TYPE_CHECKING:
    from tuneoff.models.classifier import TextClassifier


class FullSettings(StageSettings):
    """Settings of full fine-tuning. The default rate is the usual one for BERT-sized models (Devlin et al. 2019)."""

    learning_rate: float = keyed(2e-5, doc="Of all that the stage trains.", gt=0)


class Full(Technique):
    """Train everything: the baseline, and the costliest in memory."""

    name = "full"
    summary = "train every weight, backbone and head"
    settings_class = FullSettings

    def apply(self, classifier: TextClassifier) -> None:
        """Make every parameter trainable."""
        classifier.requires_grad_(True)

    def train_mode(self, classifier: TextClassifier) -> None:
        """Switch on all of the model's own dropout."""
        classifier.train()
