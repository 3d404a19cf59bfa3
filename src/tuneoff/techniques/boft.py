"""BOFT: a rotation of each layer's input, as a product of sparse ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from tuneoff.section import keyed
from tuneoff.techniques.adapter import Adapter, AdapterSettings

if TYPE_CHECKING:
    from torch import nn

MOST = 4  # peft's size of a block


class BoftSettings(AdapterSettings):
    """Settings of BOFT."""

    learning_rate: float = keyed(1e-3, doc="Of all that the stage trains.", gt=0)
    block_size: int | None = keyed(
        None, doc="Inputs rotated together; if left out, the largest even divisor of all layers' inputs up to 4.", ge=2
    )
    dropout: float = keyed(0.0, doc="Share of the blocks that are left as they were, at random.", ge=0, lt=1)


class Boft(Adapter):
    """Train rotations of each layer's input, and scales of its output (Liu et al. 2023, arXiv 2311.06243).

    Of the butterfly's factors there is one: more need a program that peft compiles on the user's machine.
    """

    name = "boft"
    summary = "train rotations of small blocks of inputs and scales of outputs, and the head"
    settings_class = BoftSettings
    peft_type = "BOFT"
    renamed: ClassVar[Mapping[str, str]] = {"dropout": "boft_dropout"}

    def peft_fields(self, targets: Mapping[str, nn.Module]) -> dict[str, Any]:
        """Return the size of a block, which divides the inputs of every layer; else ModelError."""
        from tuneoff.models.modules import block_size, sizes

        settings = self.settings
        assert isinstance(settings, BoftSettings)
        inputs = [sizes(layer)[0] for layer in targets.values()]
        return {
            **super().peft_fields(targets),
            "boft_block_size": block_size(inputs, settings.block_size, MOST, self.name),
        }
