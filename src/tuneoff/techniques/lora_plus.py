"""LoRA+: LoRA whose two factors have rates of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneoff.section import keyed
from tuneoff.techniques.lora import Lora, LoraSettings

if TYPE_CHECKING:
    pass


class LoraPlusSettings(LoraSettings):
    """Settings of LoRA+. The rate of the first factor is half of LoRA's, as peft's documentation advises."""

    learning_rate: float = keyed(1e-4, doc="Of the adapters' first factors (A) and of the head.", gt=0)
    ratio: float = keyed(16.0, doc="The rate of the second factors (B) is so many times the learning rate.", ge=1)


class LoraPlus(Lora):
    """Train LoRA with a higher rate for the factor that starts at zero (Hayou et al. 2024, arXiv 2402.12354)."""

    name = "lora-plus"
    summary = "train low-rank adapters, their second factors at a higher rate, and the head"
    settings_class = LoraPlusSettings

    def rate_factor(self, name: str) -> float:
        """Return the share of the learning rate that a parameter is trained at: the ratio for the factors named B."""
        assert isinstance(self.settings, LoraPlusSettings)
        return self.settings.ratio if ".lora_B." in name else 1.0
