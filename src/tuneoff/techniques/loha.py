"""LoHa: the product, number by number, of two low-rank changes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tuneoff.section import keyed
from tuneoff.techniques.adapter import Adapter, AdapterSettings


class LohaSettings(AdapterSettings):
    """Settings of LoHa."""

    learning_rate: float = keyed(1e-3, doc="Of all that the stage trains.", gt=0)
    rank: int = keyed(8, doc="Rank of each adapter.", ge=1)
    alpha: int = keyed(8, doc="The adapters' output is scaled by alpha / rank.", gt=0)
    rank_dropout: float = keyed(0.0, doc="Share of the ranks that are left out at random.", ge=0, lt=1)
    module_dropout: float = keyed(0.0, doc="Probability that an adapter is left out of a step.", ge=0, lt=1)


class Loha(Adapter):
    """Train the Hadamard product of two low-rank matrices (Hyeon-Woo et al. 2021, arXiv 2108.06098)."""

    name = "loha"
    summary = "train Hadamard products of low-rank matrices on the query and value projections, and the head"
    settings_class = LohaSettings
    peft_type = "LOHA"
    renamed: ClassVar[Mapping[str, str]] = {
        "rank": "r",
        "alpha": "alpha",
        "rank_dropout": "rank_dropout",
        "module_dropout": "module_dropout",
    }

    @property
    def highest_rank(self) -> tuple[str, int]:
        """The rank of each of the two matrices."""
        assert isinstance(self.settings, LohaSettings)
        return "rank", self.settings.rank
