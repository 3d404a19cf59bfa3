"""MiSS: one small matrix a layer, shared by all shards of its weight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tuneoff.section import keyed
from tuneoff.techniques.adapter import Adapter, AdapterSettings


class MissSettings(AdapterSettings):
    """Settings of MiSS."""

    learning_rate: float = keyed(1e-3, doc="Of all that the stage trains.", gt=0)
    rank: int = keyed(16, doc="Rows of the shared matrix; the input is summed into so many shards.", ge=1)
    dropout: float = keyed(0.0, doc="Dropout before the adapters.", ge=0, lt=1)


class Miss(Adapter):
    """Train one matrix that all shards of a weight share (Kang and Yin 2024, arXiv 2409.15371)."""

    name = "miss"
    summary = "train one matrix for all shards of each query and value projection, and the head"
    settings_class = MissSettings
    peft_type = "MISS"
    renamed: ClassVar[Mapping[str, str]] = {"rank": "r", "dropout": "miss_dropout"}
