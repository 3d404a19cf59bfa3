"""OLoRA: LoRA that starts from the QR decomposition of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tuneoff.section import keyed
from tuneoff.techniques.lora import Lora, LoraSettings


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
