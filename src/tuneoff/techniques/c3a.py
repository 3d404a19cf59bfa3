"""C3A: changes of the weights that are circulant, block by block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tuneoff.section import keyed, unkeyed
from tuneoff.techniques.adapter import HeadRateAdapter, HeadRateSettings

if TYPE_CHECKING:
    from torch import nn

PARTS = 6  # a block is a sixth of the layers' size, as in one of the paper's settings


class C3aSettings(HeadRateSettings):
    """Settings of C3A. The adapters' rate is that of peft's example of a sequence classifier."""

    learning_rate: float = keyed(3e-1, doc="Of the adapters; the head's is `head_rate` of it.", gt=0)
    head_rate: float = keyed(1e-2, doc="The head's learning rate as a share of the adapters'.", gt=0, le=1)
    weight_decay: float | None = unkeyed(0.0, doc="Of AdamW; the protocol's if null.", ge=0)
    zero_start: bool = keyed(True, doc="Start from zero, so that the model starts as it was; the paper draws numbers.")
    block_size: int | None = keyed(
        None,
        doc="Numbers that make one block; if left out, the largest divisor of all layers' inputs and outputs up to a "
        "sixth of what they share.",
        ge=1,
    )


class C3a(HeadRateAdapter):
    """Train circular convolutions beside each layer (Chen et al. 2024, arXiv 2407.19342)."""

    name = "c3a"
    summary = "train block-circulant changes of the query and value projections, and the head"
    settings_class = C3aSettings
    peft_type = "C3A"

    def peft_fields(self, targets: Mapping[str, nn.Module]) -> dict[str, Any]:
        """Return the size of a block, which divides what every layer takes and gives; else ModelError."""
        from math import gcd

        from tuneoff.models.modules import block_size, sizes

        settings = self.settings
        assert isinstance(settings, C3aSettings)
        numbers = [number for layer in targets.values() for number in sizes(layer)]
        most = max(1, gcd(*numbers) // PARTS)
        return {
            "block_size": block_size(numbers, settings.block_size, most, self.name),
            "init_weights": True if settings.zero_start else "xavier_uniform",
        }
