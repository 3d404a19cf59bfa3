"""Linear probing: the head alone is trained, on vectors of the frozen backbone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneoff.section import keyed
from tuneoff.techniques.base import StageSettings, Technique

if TYPE_CHECKING:
    from tuneoff.models.classifier import TextClassifier


class LinearProbeSettings(StageSettings):
    """Settings of linear probing. One layer on fixed vectors bears, and needs, a high rate."""

    learning_rate: float = keyed(1e-3, doc="Of all that the stage trains.", gt=0)


class LinearProbe(Technique):
    """Train the head alone (Alain and Bengio 2016, arXiv 1610.01644): cheap, and what the model already knows."""

    name = "linear-probe"
    summary = "train the head alone; the backbone is frozen"
    settings_class = LinearProbeSettings
    changes_weights = False

    def apply(self, classifier: TextClassifier) -> None:
        """Make the head trainable."""
        classifier.requires_grad_(False)
        for parameter in classifier.head_parameters().values():
            parameter.requires_grad_(True)
