"""VeRA: random matrices that all layers share, with trained scales."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tuneoff.section import keyed
from tuneoff.techniques.adapter import HeadRateAdapter, HeadRateSettings


class VeraSettings(HeadRateSettings):
    """Settings of VeRA. The rates are those of peft's example of a sequence classifier."""

    learning_rate: float = keyed(2e-2, doc="Of the adapters; the head's is `head_rate` of it.", gt=0)
    head_rate: float = keyed(0.5, doc="The head's learning rate as a share of the adapters'.", gt=0, le=1)
    rank: int = keyed(256, doc="Rank of the shared matrices.", ge=1)
    dropout: float = keyed(0.0, doc="Dropout before the adapters.", ge=0, lt=1)
    first_scale: float = keyed(0.1, doc="What the scales of the first matrix start from.", gt=0)
    projection_seed: int = keyed(0, doc="Of the frozen random matrices, whatever the seed of the run.", ge=0)


class Vera(HeadRateAdapter):
    """Train two vectors of scales a layer, between random matrices (Kopiczko et al. 2023, arXiv 2310.11454)."""

    name = "vera"
    summary = "train the scales of random matrices that all layers share, and the head"
    settings_class = VeraSettings
    peft_type = "VERA"
    renamed: ClassVar[Mapping[str, str]] = {
        "rank": "r",
        "dropout": "vera_dropout",
        "first_scale": "d_initial",
        "projection_seed": "projection_prng_key",
    }
