"""FourierFT: some frequencies of each weight's change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tuneoff.section import keyed, unkeyed
from tuneoff.techniques.adapter import HeadRateAdapter, HeadRateSettings


class FourierftSettings(HeadRateSettings):
    """Settings of FourierFT. The rates are those of peft's example of a sequence classifier."""

    learning_rate: float = keyed(6e-2, doc="Of the adapters; the head's is `head_rate` of it.", gt=0)
    head_rate: float = keyed(0.1, doc="The head's learning rate as a share of the adapters'.", gt=0, le=1)
    weight_decay: float | None = unkeyed(0.0, doc="Of AdamW; the protocol's if null.", ge=0)
    frequencies: int = keyed(1000, doc="Frequencies trained in each layer, chosen at random.", ge=1)
    scaling: float = keyed(150.0, doc="The change is so many times what the frequencies give.", gt=0)
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
        "location_seed": "random_loc_seed",
    }
