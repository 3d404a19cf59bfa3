"""SHiRA: some of the weights themselves, chosen at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tuneoff.section import keyed
from tuneoff.techniques.adapter import Adapter, AdapterSettings


class ShiraSettings(AdapterSettings):
    """Settings of SHiRA."""

    learning_rate: float = keyed(1e-3, doc="Of all that the stage trains.", gt=0)
    rank: int = keyed(8, doc="As many weights are trained as LoRA of this rank has.", ge=1)
    mask_seed: int = keyed(0, doc="Of the choice of weights, whatever the seed of the run.", ge=0)


class Shira(Adapter):
    """Train a sparse choice of the weights (Bhardwaj et al. 2024, arXiv 2406.13175)."""

    name = "shira"
    summary = "train some of the weights of the query and value projections, chosen at random, and the head"
    settings_class = ShiraSettings
    peft_type = "SHIRA"
    renamed: ClassVar[Mapping[str, str]] = {"rank": "r", "mask_seed": "random_seed"}
