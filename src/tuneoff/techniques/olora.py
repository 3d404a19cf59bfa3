"""OLoRA: LoRA that starts from the QR decomposition of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from tuneoff.section import keyed
from tuneoff.techniques.lora import Lora, LoraSettings
from tuneoff.techniques.pissa import refuse_high_rank

if TYPE_CHECKING:
    from torch import nn


def refuse_transposed(targets: Mapping[str, nn.Module], technique: str) -> None:
    """Raise ModelError where peft would take a transposed weight for one that is not: it sees nothing wrong then."""
    from transformers.pytorch_utils import Conv1D

    from tuneoff.errors import ModelError

    if any(isinstance(layer, Conv1D) for layer in targets.values()):
        raise ModelError(
            f"{technique}: peft cannot put OLoRA on this model: its layers (Conv1D) hold their weights transposed; use "
            "pissa, which allows for it"
        )


class OloraSettings(LoraSettings):
    """Settings of OLoRA. Its paper sets alpha to the rank."""

    alpha: int = keyed(8, doc="The adapters' output is scaled by alpha / rank.", gt=0)
    dropout: float = keyed(0.0, doc="Dropout before the adapters.", ge=0, lt=1)


class Olora(Lora):
    """Train factors that start orthonormal, from the weights' own QR (Büyükakyüz 2024, arXiv 2406.01775).

    What the adapters take is taken out of the weights they stand on, so the model starts as it was. That follows from
    the pre-trained weights: with what is stored, the same model is made again.
    """

    name = "olora"
    summary = "train low-rank adapters that start from the weights' QR decomposition, and the head"
    settings_class = OloraSettings
    fixed: ClassVar[Mapping[str, Any]] = {"init_lora_weights": "olora"}

    def peft_fields(self, targets: Mapping[str, nn.Module]) -> dict[str, Any]:
        """Return LoRA's fields.

        Raises ModelError for layers that hold their weights transposed (GPT-2's), and for a rank above theirs.
        """
        refuse_transposed(targets, self.name)
        fields = super().peft_fields(targets)
        refuse_high_rank(targets, fields, self.name)
        return fields
