"""LN-tuning: the gains and shifts of all normalizations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tuneoff.section import keyed
from tuneoff.techniques.adapter import Adapter
from tuneoff.techniques.base import StageSettings

if TYPE_CHECKING:
    from torch import nn

    from tuneoff.models.classifier import TextClassifier


class LnTuningSettings(StageSettings):
    """Settings of LN-tuning."""

    learning_rate: float = keyed(1e-3, doc="Of all that the stage trains.", gt=0)
    layers: int | None = keyed(
        None,
        doc="Transformer layers whose normalizations are trained, counted from the top; all there are if left out.",
        ge=1,
    )


class LnTuning(Adapter):
    """Train every normalization's weights (Zhao et al. 2023, arXiv 2312.11420).

    All means all: those of the embeddings, of each layer, of queries and keys where they have their own, and the last.
    peft's own list leaves most of them out in some architectures (all but one a layer in Qwen3).
    """

    name = "ln-tuning"
    summary = "train the gains and shifts of all normalizations, and the head"
    settings_class = LnTuningSettings
    peft_type = "LN_TUNING"

    def targets(self, classifier: TextClassifier) -> dict[str, nn.Module]:
        """Return the normalizations that are trained, by name; ModelError where the model has none with weights."""
        from tuneoff.errors import ModelError
        from tuneoff.models.modules import norm_layers, only_top

        settings = self.settings
        assert isinstance(settings, LnTuningSettings)
        found = only_top(classifier, norm_layers(classifier), settings.layers, self.name)
        if not found:
            raise ModelError("ln-tuning: this model has no normalization with weights: use another technique")
        return found

    def peft_fields(self, targets: Mapping[str, nn.Module]) -> dict[str, Any]:
        """Return nothing: which modules are trained is all that there is to say."""
        return {}
