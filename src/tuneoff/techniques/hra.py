"""HRA: a rotation of each layer's input, as a product of reflections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tuneoff.section import keyed
from tuneoff.techniques.adapter import Adapter, AdapterSettings


class HraSettings(AdapterSettings):
    """Settings of HRA."""

    learning_rate: float = keyed(1e-3, doc="Of all that the stage trains.", gt=0)
    rank: int = keyed(
        8, doc="How many reflections; an even number, so that the model starts as it was.", ge=2, multiple_of=2
    )
    orthogonal: bool = keyed(False, doc="Make the reflections orthogonal to each other (Gram-Schmidt).")


class Hra(Adapter):
    """Train Householder reflections of each layer's input (Yuan et al. 2024, arXiv 2405.17484)."""

    name = "hra"
    summary = "train a few reflections of the inputs of the query and value projections, and the head"
    settings_class = HraSettings
    peft_type = "HRA"
    renamed: ClassVar[Mapping[str, str]] = {"rank": "r", "orthogonal": "apply_GS"}
