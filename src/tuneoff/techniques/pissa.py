"""PiSSA: LoRA that starts from the largest singular vectors of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from tuneoff.section import keyed
from tuneoff.techniques.lora import Lora, LoraSettings

if TYPE_CHECKING:
    from torch import nn


def refuse_high_rank(targets: Mapping[str, nn.Module], fields: Mapping[str, Any], technique: str) -> None:
    """Raise ModelError where a decomposed weight has fewer parts than `r`: peft would make smaller factors unsaid."""
    from tuneoff.errors import ModelError
    from tuneoff.models.modules import smaller_side

    least = min(smaller_side(layer) for layer in targets.values())
    if fields.get("r", 0) > least:
        raise ModelError(
            f"{technique}: rank is {fields['r']}, and a layer's decomposition has {least} parts: choose a lower one"
        )


class PissaSettings(LoraSettings):
    """Settings of PiSSA. Its paper sets alpha to the rank."""

    alpha: int = keyed(8, doc="The adapters' output is scaled by alpha / rank.", gt=0)
    dropout: float = keyed(0.0, doc="Dropout before the adapters.", ge=0, lt=1)


class Pissa(Lora):
    """Train the largest singular vectors of each weight; the rest is frozen (Meng et al. 2024, arXiv 2404.02948).

    What the adapters take is taken out of the weights they stand on, so the model starts as it was. That follows from
    the pre-trained weights: with what is stored, the same model is made again.
    """

    name = "pissa"
    summary = "train the principal singular vectors of the query and value projections, and the head"
    settings_class = PissaSettings
    fixed: ClassVar[Mapping[str, Any]] = {"init_lora_weights": "pissa"}

    def peft_fields(self, targets: Mapping[str, nn.Module]) -> dict[str, Any]:
        """Return LoRA's fields; raises ModelError where a layer has fewer singular vectors than the rank."""
        fields = super().peft_fields(targets)
        refuse_high_rank(targets, fields, self.name)
        return fields
