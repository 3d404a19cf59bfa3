"""LoKr: the Kronecker product of a small matrix and a low-rank one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from tuneoff.section import keyed
from tuneoff.techniques.adapter import Adapter, AdapterSettings


class LokrSettings(AdapterSettings):
    """Settings of LoKr. The rate is that of peft's own comparison."""

    learning_rate: float = keyed(3e-3, doc="Of all that the stage trains.", gt=0)
    rank: int = keyed(8, doc="Rank of each adapter.", ge=1)
    alpha: int = keyed(8, doc="The adapters' output is scaled by alpha / rank.", gt=0)
    decompose_both: bool = keyed(False, doc="Make both factors low-rank, not the larger one alone.")
    decompose_factor: int = keyed(-1, doc="Size of the smaller factor; -1 makes the two as even as they can be.", ge=-1)
    rank_dropout: float = keyed(0.0, doc="Share of the ranks that are left out at random.", ge=0, lt=1)
    module_dropout: float = keyed(0.0, doc="Probability that an adapter is left out of a step.", ge=0, lt=1)


class Lokr(Adapter):
    """Train Kronecker products (Edalati et al. 2022, arXiv 2212.10650; Yeh et al. 2023, arXiv 2309.14859)."""

    name = "lokr"
    summary = "train Kronecker products of small matrices on the query and value projections, and the head"
    settings_class = LokrSettings
    peft_type = "LOKR"
    renamed: ClassVar[Mapping[str, str]] = {
        "alpha": "alpha",
        "decompose_both": "decompose_both",
        "decompose_factor": "decompose_factor",
        "rank_dropout": "rank_dropout",
        "module_dropout": "module_dropout",
        "rank": "r",
    }
