"""LoRA on every linear layer of the backbone, and the head."""

from __future__ import annotations

from typing import Literal

from tuneoff.section import keyed
from tuneoff.techniques.lora import Lora, LoraSettings


class LoraAllSettings(LoraSettings):
    """Settings of LoRA on all linear layers. Its best rate is about that of LoRA on some (Schulman et al. 2025)."""

    target_modules: list[str] | Literal["all-linear"] | None = keyed(
        "all-linear",
        doc="Names of the layers with an adapter, or all-linear for every linear layer but the head; the projections "
        "of queries and values if it is null.",
    )


class LoraAll(Lora):
    """Train LoRA on attention and feed-forward layers alike (Dettmers et al. 2023, arXiv 2305.14314, section 4)."""

    name = "lora-all"
    summary = "train low-rank adapters on every linear layer, and the head"
    settings_class = LoraAllSettings
