"""FourierFT: some frequencies of each weight's change."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from tuneoff.section import keyed, unkeyed
from tuneoff.techniques.adapter import HeadRateAdapter, HeadRateSettings

if TYPE_CHECKING:
    from torch import nn


class FourierftSettings(HeadRateSettings):
    """Settings of FourierFT. The rates are those of peft's example of a sequence classifier."""

    learning_rate: float = keyed(6e-2, doc="Of the adapters; the head's is `head_rate` of it.", gt=0)
    head_rate: float = keyed(0.1, doc="The head's learning rate as a share of the adapters'.", gt=0, le=1)
    weight_decay: float | None = unkeyed(0.0, doc="Of AdamW; the protocol's if null.", ge=0)
    frequencies: int = keyed(
        1000, doc="Frequencies trained in each layer, chosen at random; all in layers with fewer.", ge=1
    )
    scaling: float = keyed(150.0, doc="The change is so many times what the frequencies give.", gt=0)
    zero_start: bool = keyed(True, doc="Start from zero, so that the model starts as it was; the paper draws numbers.")
    location_seed: int = keyed(777, doc="Of the choice of frequencies, whatever the seed of the run.", ge=0)


class Fourierft(HeadRateAdapter):
    """Train a few coefficients of the Fourier transform of each weight's change (Gao et al. 2024, arXiv 2405.03003)."""

    name = "fourierft"
    summary = "train a thousand Fourier coefficients of each weight's change, and the head"
    settings_class = FourierftSettings
    peft_type = "FOURIERFT"
    renamed: ClassVar[Mapping[str, str]] = {
        "frequencies": "n_frequency",
        "scaling": "scaling",
        "zero_start": "init_weights",
        "location_seed": "random_loc_seed",
    }

    def peft_fields(self, targets: Mapping[str, nn.Module]) -> dict[str, Any]:
        """Return the settings' fields, and all the frequencies that there are for layers with fewer than asked for."""
        from tuneoff.models.modules import sizes

        assert isinstance(self.settings, FourierftSettings)
        numbers = {name: math.prod(sizes(layer)) for name, layer in targets.items()}
        small = {name: count for name, count in numbers.items() if count < self.settings.frequencies}
        return {**super().peft_fields(targets), "n_frequency_pattern": small}
