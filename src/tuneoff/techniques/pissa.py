"""PiSSA: LoRA that starts from the largest singular vectors of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tuneoff.section import keyed
from tuneoff.techniques.lora import Lora, LoraSettings


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
