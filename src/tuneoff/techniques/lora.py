"""LoRA: low-rank adapters on chosen projections, and the head."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tuneoff.section import keyed
from tuneoff.techniques.adapter import Adapter, AdapterSettings


class LoraSettings(AdapterSettings):
    """Settings of LoRA. Its best rate is about ten times that of full fine-tuning (Schulman et al. 2025)."""

    learning_rate: float = keyed(2e-4, doc="Of all that the stage trains.", gt=0)
    rank: int = keyed(8, doc="Rank of each adapter.", ge=1)
    alpha: int = keyed(32, doc="The adapters' output is scaled by alpha / rank.", gt=0)
    dropout: float = keyed(0.1, doc="Dropout before the adapters.", ge=0, lt=1)


class Lora(Adapter):
    """Train a low-rank change of some projections, and the head (Hu et al. 2021, arXiv 2106.09685)."""

    name = "lora"
    summary = "train low-rank adapters on the query and value projections, and the head"
    settings_class = LoraSettings
    peft_type = "LORA"
    renamed: ClassVar[Mapping[str, str]] = {"rank": "r", "alpha": "lora_alpha", "dropout": "lora_dropout"}

    @property
    def highest_rank(self) -> tuple[str, int]:
        """The rank."""
        assert isinstance(self.settings, LoraSettings)
        return "rank", self.settings.rank
