"""rsLoRA: LoRA whose scale does not shrink as the rank grows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tuneoff.section import keyed
from tuneoff.techniques.lora import Lora, LoraSettings


class RsloraSettings(LoraSettings):
    """Settings of rsLoRA. At rank 64 and alpha 32 the adapters have the scale of `lora` by default: 4."""

    rank: int = keyed(64, doc="Rank of each adapter.", ge=1)
    alpha: int = keyed(32, doc="The adapters' output is scaled by alpha / sqrt(rank).", gt=0)


class Rslora(Lora):
    """Train LoRA scaled by alpha / sqrt(rank), so that high ranks learn too (Kalajdzievski 2023, arXiv 2312.03732)."""

    name = "rslora"
    summary = "train low-rank adapters of a higher rank, scaled by its square root, and the head"
    settings_class = RsloraSettings
    fixed: ClassVar[Mapping[str, Any]] = {"use_rslora": True}
