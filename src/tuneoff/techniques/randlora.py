"""RandLoRA: full-rank changes, as sums of fixed random ones with trained scales."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tuneoff.section import keyed
from tuneoff.techniques.adapter import Adapter, AdapterSettings


class RandloraSettings(AdapterSettings):
    """Settings of RandLoRA, by peft's defaults."""

    learning_rate: float = keyed(1e-3, doc="Of all that the stage trains.", gt=0)
    rank: int = keyed(32, doc="Rank of each of the random matrices that are summed.", ge=1)
    alpha: int = keyed(640, doc="The adapters' output is scaled by alpha / rank.", gt=0)
    dropout: float = keyed(0.0, doc="Dropout before the adapters.", ge=0, lt=1)
    projection_seed: int = keyed(0, doc="Of the frozen random matrices, whatever the seed of the run.", ge=0)


class Randlora(Adapter):
    """Train the scales of random matrices that all layers share (Albert et al. 2025, arXiv 2502.00987)."""

    name = "randlora"
    summary = "train the scales of fixed random matrices, which sum to a full-rank change, and the head"
    settings_class = RandloraSettings
    peft_type = "RANDLORA"
    renamed: ClassVar[Mapping[str, str]] = {
        "rank": "r",
        "alpha": "randlora_alpha",
        "dropout": "randlora_dropout",
        "projection_seed": "projection_prng_key",
    }
