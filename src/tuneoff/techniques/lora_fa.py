"""LoRA-FA: LoRA whose first factors are random and stay so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tuneoff.section import keyed
from tuneoff.techniques.adapter import ADAPTER, adapters
from tuneoff.techniques.base import Optimization
from tuneoff.techniques.lora import Lora, LoraSettings

if TYPE_CHECKING:
    from torch.nn import Parameter
    from torch.optim import Optimizer

    from tuneoff.models.classifier import TextClassifier

RIDGE = 1e-8  # added to what is inverted


class LoraFaSettings(LoraSettings):
    """Settings of LoRA-FA."""

    projection_seed: int = keyed(0, doc="Of the frozen first factors, whatever the seed of the run.", ge=0)


class LoraFa(Lora):
    """Train LoRA's second factors alone, by gradients that allow for the first (Zhang et al. 2023, arXiv 2308.03303).

    The frozen factors are not among the trained numbers that are stored, so they are drawn from a seed in the settings.
    """

    name = "lora-fa"
    summary = "train the second factors of low-rank adapters, the first staying random, and the head"
    settings_class = LoraFaSettings

    def apply(self, classifier: TextClassifier) -> None:
        """Add LoRA's adapters, and freeze their first factors; ModelError where they do not fit."""
        import math

        import torch

        super().apply(classifier)
        assert isinstance(self.settings, LoraFaSettings)
        numbers = torch.Generator().manual_seed(self.settings.projection_seed)
        layers = adapters(classifier)
        for layer in layers.values():
            factor = layer.lora_A[ADAPTER].weight.requires_grad_(False)
            if factor.is_meta:  # of which there are shapes alone, however large
                continue
            drawn = torch.empty(factor.shape)
            torch.nn.init.kaiming_uniform_(drawn, a=math.sqrt(5), generator=numbers)  # as peft does
            with torch.no_grad():
                factor.copy_(drawn)
        self._layers = layers

    def optimizer(self, parameters: Mapping[str, Parameter], optimization: Optimization) -> Optimizer:
        """Return AdamW on gradients that bring the product of the factors nearest to a step of the whole weight."""
        import torch

        from tuneoff.training.optimizer import ProjectedAdamW

        factors = {}
        for layer in self._layers.values():
            first, second = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
            square = first @ first.T + RIDGE * torch.eye(len(first), device=first.device)
            factors[second] = torch.linalg.pinv(square) / layer.scaling[ADAPTER] ** 2
        return ProjectedAdamW(parameters.values(), optimization, factors)
