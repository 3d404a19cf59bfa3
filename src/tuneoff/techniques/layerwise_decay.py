"""Layerwise decay: everything is trained, the lower the layer the more slowly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneoff.section import keyed
from tuneoff.techniques.base import StageSettings, Technique

if TYPE_CHECKING:
    from tuneoff.models.classifier import TextClassifier


class LayerwiseDecaySettings(StageSettings):
    """Settings of layerwise decay. Rate and factor are the best of Sun et al. (2019, table 4) for BERT."""

    learning_rate: float = keyed(2e-5, doc="Of the head and the top layer.", gt=0)
    decay: float = keyed(0.95, doc="The rate of each layer is so much of that of the layer above it.", gt=0, le=1)


class LayerwiseDecay(Technique):
    """Train everything at rates that fall from layer to layer (Howard and Ruder 2018; Sun et al. 2019).

    The top layer learns at the full rate, layer k of n at `decay` to the power n - k of it, and what stands before the
    layers (embeddings, their norm) a step lower still. What stands above them (final norm, pooler, head) learns at the
    full rate. arXiv 1801.06146, section 3.2; arXiv 1905.05583, section 5.3.3.
    """

    name = "layerwise-decay"
    summary = "train every weight, the lower layers at falling rates"
    settings_class = LayerwiseDecaySettings

    def apply(self, classifier: TextClassifier) -> None:
        """Make every parameter trainable; ModelError where it is not known which modules are the layers."""
        from tuneoff.models.depth import levels

        assert isinstance(self.settings, LayerwiseDecaySettings)
        found = levels(classifier, self.name)
        top = max(found.values())
        # Above the top layer (level `top`) nothing is faster than it is.
        self._factors = {name: self.settings.decay ** max(0, top - 1 - level) for name, level in found.items()}
        classifier.requires_grad_(True)

    def rate_factor(self, name: str) -> float:
        """Return the share of the learning rate that a parameter's layer has."""
        return self._factors[name]

    def train_mode(self, classifier: TextClassifier) -> None:
        """Switch on all of the model's own dropout."""
        classifier.train()
