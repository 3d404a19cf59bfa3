"""(IA)^3: scales of keys, values and the inner activations of feed-forward parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from tuneoff.section import keyed
from tuneoff.techniques.adapter import Adapter, AdapterSettings

if TYPE_CHECKING:
    from torch import nn

    from tuneoff.models.classifier import TextClassifier


class Ia3Settings(AdapterSettings):
    """Settings of (IA)^3. The rate is the paper's."""

    learning_rate: float = keyed(3e-3, doc="Of all that the stage trains.", gt=0)
    target_modules: list[str] | Literal["all-linear"] | None = keyed(
        None,
        doc="Names of the layers with scales, or all-linear for every linear layer but the head; keys, values and the "
        "outputs of feed-forward parts if left out.",
    )


class Ia3(Adapter):
    """Train a scale for each key, value and inner activation (Liu et al. 2022, arXiv 2205.05638)."""

    name = "ia3"
    summary = "train scales of keys, values and feed-forward activations, and the head"
    settings_class = Ia3Settings
    peft_type = "IA3"

    def targets(self, classifier: TextClassifier) -> dict[str, nn.Module]:
        """Return the layers that get scales, by name; ModelError where the architecture's names are unknown."""
        from tuneoff.errors import ModelError
        from tuneoff.models.modules import feed_forward_names, key_value_names, last_names, linear_layers, only_top

        settings = self.settings
        assert isinstance(settings, Ia3Settings)
        if settings.target_modules is not None:
            return super().targets(classifier)
        found = linear_layers(classifier)
        attention, feed_forward = key_value_names(found), feed_forward_names(found)
        if not attention or not feed_forward:
            raise ModelError(
                "ia3: which layers give keys and values, and which lead out of feed-forward parts, is not known of "
                f"this model: set `target_modules` to some of its linear layers: {', '.join(last_names(found))}"
            )
        chosen = {name: found[name] for name in (*attention, *feed_forward)}
        return only_top(classifier, chosen, settings.layers, self.name)

    def peft_fields(self, targets: Mapping[str, nn.Module]) -> dict[str, Any]:
        """Return which layers have their inputs scaled and not their outputs: those out of feed-forward parts."""
        from tuneoff.models.modules import feed_forward_names

        return {"feedforward_modules": feed_forward_names(targets)}
