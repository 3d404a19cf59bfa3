"""Gradual unfreezing: the head first, then a layer more at a time, from the top down to the embeddings."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from tuneoff.section import keyed
from tuneoff.techniques.base import StageSettings, Technique

if TYPE_CHECKING:
    from tuneoff.models.classifier import TextClassifier


class GradualUnfreezingSettings(StageSettings):
    """Settings of gradual unfreezing. The default rate is that of full fine-tuning, which it ends as."""

    learning_rate: float = keyed(2e-5, doc="Of all that the stage trains.", gt=0)
    span: float = keyed(
        0.5, doc="Share of the steps after which everything is trained; layers join at even distances.", gt=0, lt=1
    )


class GradualUnfreezing(Technique):
    """Train the head, then with it the top layer, and so on downwards (Howard and Ruder 2018, arXiv 1801.06146).

    The paper adds a layer each epoch; here the layers of any model join evenly within `span` of the steps.
    """

    name = "gradual-unfreezing"
    summary = "train the head first, then a layer more at a time, and in the end every weight"
    settings_class = GradualUnfreezingSettings

    def apply(self, classifier: TextClassifier) -> None:
        """Make every parameter trainable; ModelError where it is not known which modules are the layers."""
        from tuneoff.models.depth import levels

        classifier.requires_grad_(True)
        self._levels = levels(classifier, self.name)

    def trainable_at(self, step: int, steps: int, names: Collection[str]) -> Collection[str]:
        """Return the head's parameters and those of the layers that have joined by a step."""
        lowest = self._lowest_at(step, steps)
        return [name for name in names if self._levels[name] >= lowest]

    def train_mode(self, classifier: TextClassifier) -> None:
        """Switch on the dropout of the layers that are trained at this step, told by what needs a gradient."""
        from tuneoff.models.depth import layer_list

        if all(value.requires_grad for value in classifier.parameters()):
            classifier.train()
            return
        classifier.eval()
        found = layer_list(classifier.backbone)
        assert found is not None
        for layer in found[1]:
            layer.train(any(value.requires_grad for value in layer.parameters()))

    def _lowest_at(self, step: int, steps: int) -> int:
        """Return the lowest level that is trained at a step: above the layers first, 0 (all) from `span` on."""
        assert isinstance(self.settings, GradualUnfreezingSettings)
        top = max(self._levels.values())
        joined = int(step * top / (self.settings.span * steps))
        return max(0, top - joined)
