"""OFT: a rotation of each layer's input, block by block."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from tuneoff.section import keyed
from tuneoff.techniques.adapter import Adapter, AdapterSettings

if TYPE_CHECKING:
    from torch import nn

MOST = 32  # peft's size of a block


class OftSettings(AdapterSettings):
    """Settings of OFT."""

    learning_rate: float = keyed(1e-3, doc="Of all that the stage trains.", gt=0)
    block_size: int | None = keyed(
        None, doc="Inputs rotated together; if left out, the largest divisor of all layers' inputs up to 32.", ge=2
    )
    dropout: float = keyed(0.0, doc="Share of the blocks that are left as they were, at random.", ge=0, lt=1)


class Oft(Adapter):
    """Train rotations of the inputs of each layer (Qiu et al. 2023, arXiv 2306.07280; 2025, arXiv 2506.19847)."""

    name = "oft"
    summary = "train block by block rotations of the inputs of query and value projections, and the head"
    settings_class = OftSettings
    peft_type = "OFT"
    renamed: ClassVar[Mapping[str, str]] = {"dropout": "module_dropout"}

    def peft_fields(self, targets: Mapping[str, nn.Module]) -> dict[str, Any]:
        """Return the size of a block, which divides the inputs of every layer; else ModelError."""
        from tuneoff.models.modules import block_size, sizes

        settings = self.settings
        assert isinstance(settings, OftSettings)
        inputs = [sizes(layer)[0] for layer in targets.values()]
        return {
            **super().peft_fields(targets),
            "oft_block_size": block_size(inputs, settings.block_size, MOST, self.name),
        }
