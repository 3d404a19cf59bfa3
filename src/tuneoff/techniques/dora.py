"""DoRA: LoRA on the direction of each weight, with a trained length beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tuneoff.techniques.lora import Lora, LoraSettings


class Dora(Lora):
    """Train the length of each output's weights and, by LoRA, their direction (Liu et al. 2024, arXiv 2402.09353)."""

    name = "dora"
    summary = "train the lengths of weights and, by low-rank adapters, their directions, and the head"
    settings_class = LoraSettings
    fixed: ClassVar[Mapping[str, Any]] = {"use_dora": True}
