"""RoAd: each layer's outputs rotated and scaled, two by two."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from tuneoff.section import keyed
from tuneoff.techniques.adapter import Adapter, AdapterSettings

if TYPE_CHECKING:
    from torch import nn

MOST = 64  # peft's size of a group


class RoadSettings(AdapterSettings):
    """Settings of RoAd. The rate is that of peft's example of a sequence classifier."""

    learning_rate: float = keyed(3e-3, doc="Of all that the stage trains.", gt=0)
    variant: Literal["road_1", "road_2", "road_4"] = keyed(
        "road_1", doc="Whether one, two or four numbers are trained for each pair of outputs, twice."
    )
    group_size: int | None = keyed(
        None,
        doc="Outputs within which pairs are made; if left out, the largest even divisor of all outputs up to 64.",
        ge=2,
        multiple_of=2,
    )


class Road(Adapter):
    """Train a rotation and a scale for each pair of a layer's outputs (Liao and Monz 2024, arXiv 2409.00119)."""

    name = "road"
    summary = "train rotations and scales of pairs of outputs of the query and value projections, and the head"
    settings_class = RoadSettings
    peft_type = "ROAD"
    renamed: ClassVar[Mapping[str, str]] = {"variant": "variant"}

    def peft_fields(self, targets: Mapping[str, nn.Module]) -> dict[str, Any]:
        """Return variant and size of a group, which divides the outputs of every layer; else ModelError."""
        from tuneoff.models.modules import block_size, sizes

        settings = self.settings
        assert isinstance(settings, RoadSettings)
        outputs = [sizes(layer)[1] for layer in targets.values()]
        return {**super().peft_fields(targets), "group_size": block_size(outputs, settings.group_size, MOST, self.name)}
