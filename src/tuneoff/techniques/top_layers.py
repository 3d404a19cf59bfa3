"""Top layers: the last transformer layers and the head are trained; what lies below is frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneoff.section import keyed
from tuneoff.techniques.base import StageSettings, Technique

if TYPE_CHECKING:
    from torch import nn

    from tuneoff.models.classifier import TextClassifier


class TopLayersSettings(StageSettings):
    """Settings of training the top layers. Fewer weights than all bear a somewhat higher rate."""

    learning_rate: float = keyed(5e-5, doc="Of all that the stage trains.", gt=0)
    layers: int = keyed(2, doc="Layers to train, counted from the top.", ge=1)


class TopLayers(Technique):
    """Train the last layers, the norm after them and the head (Lee et al. 2019, arXiv 1911.03090).

    What is below them is computed once for all steps, seeds and studies, so most of a deep model costs nothing.
    """

    name = "top-layers"
    summary = "train the last transformer layers, the final norm and the head"
    settings_class = TopLayersSettings

    def apply(self, classifier: TextClassifier) -> None:
        """Make the layers, the final norm and the head trainable; ModelError where the model has too few layers."""
        from tuneoff.models.depth import final_norm

        classifier.requires_grad_(False)
        for layer in self._layers(classifier):
            layer.requires_grad_(True)
        if norm := final_norm(classifier.backbone):
            norm[1].requires_grad_(True)
        for parameter in classifier.head_parameters().values():
            parameter.requires_grad_(True)

    def train_mode(self, classifier: TextClassifier) -> None:
        """Switch on the dropout of the trained layers alone."""
        classifier.eval()
        for layer in self._layers(classifier):
            layer.train()

    def _layers(self, classifier: TextClassifier) -> list[nn.Module]:
        from tuneoff.models.depth import top_layers

        assert isinstance(self.settings, TopLayersSettings)
        return list(top_layers(classifier.backbone, self.settings.layers, self.name).values())
