"""AdaLoRA: adapters whose ranks are given to the layers that need them most."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import model_validator

from tuneoff.section import keyed
from tuneoff.techniques.adapter import ADAPTER, Adapter, AdapterSettings, adapters
from tuneoff.techniques.base import Optimization

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Parameter
    from torch.optim import Optimizer

    from tuneoff.models.classifier import TextClassifier


class AdaloraSettings(AdapterSettings):
    """Settings of AdaLoRA. Its singular values start at zero between small factors, so it wants a higher rate."""

    learning_rate: float = keyed(1e-3, doc="Of all that the stage trains.", gt=0)
    target_modules: list[str] | Literal["all-linear"] | None = keyed(
        "all-linear",
        doc="Names of the layers with an adapter, or all-linear for every linear layer but the head; the projections "
        "of queries and values if it is null.",
    )
    rank: int = keyed(8, doc="Mean rank of the adapters at the end.", ge=1)
    first_rank: int = keyed(12, doc="Rank of each adapter at the start.", ge=1)
    alpha: int = keyed(32, doc="The adapters' output is scaled by alpha / first_rank.", gt=0)
    dropout: float = keyed(0.1, doc="Dropout before the adapters.", ge=0, lt=1)
    warm_share: float = keyed(0.1, doc="Share of the steps before ranks begin to fall.", ge=0, lt=1)
    final_share: float = keyed(0.3, doc="Share of the steps, at the end, in which ranks stay.", ge=0, lt=1)
    interval: int = keyed(1, doc="Steps between two looks at which ranks to keep.", ge=1)
    importance_decay: float = keyed(0.85, doc="Of the running mean of a weight's importance.", gt=0, lt=1)
    uncertainty_decay: float = keyed(0.85, doc="Of the running mean of how much that importance varies.", gt=0, lt=1)
    orthogonality: float = keyed(0.5, doc="Weight in the loss of how far the factors are from orthonormal.", ge=0)

    @model_validator(mode="after")
    def _ranks_fall(self) -> AdaloraSettings:
        if self.rank > self.first_rank:
            raise ValueError("rank: ranks only fall, so it is at most first_rank")
        if self.warm_share + self.final_share >= 1:
            raise ValueError("final_share: with warm_share it must leave steps in which ranks fall")
        return self


class Adalora(Adapter):
    """Train factors and singular values, and drop the least important ones (Zhang et al. 2023, arXiv 2303.10512).

    What is dropped is set to zero and keeps its place, so that the stored numbers make the same model again. Importance
    is in the optimizer's state, which a checkpoint holds.
    """

    name = "adalora"
    summary = "train low-rank adapters whose ranks are shared out by importance, and the head"
    settings_class = AdaloraSettings
    peft_type = "ADALORA"
    renamed: ClassVar[Mapping[str, str]] = {
        "rank": "target_r",
        "first_rank": "init_r",
        "alpha": "lora_alpha",
        "dropout": "lora_dropout",
        "interval": "deltaT",
        "importance_decay": "beta1",
        "uncertainty_decay": "beta2",
        "orthogonality": "orth_reg_weight",
    }
    fixed: ClassVar[Mapping[str, Any]] = {"total_step": 1}  # the real number is known at the first step

    @property
    def highest_rank(self) -> tuple[str, int]:
        """The rank at the start."""
        assert isinstance(self.settings, AdaloraSettings)
        return "first_rank", self.settings.first_rank

    def apply(self, classifier: TextClassifier) -> None:
        """Add the adapters; ModelError where they do not fit."""
        super().apply(classifier)
        self._backbone: Any = classifier.backbone
        self._layers: Any = adapters(classifier)
        self._step = self._steps = 0

    def trainable_at(self, step: int, steps: int, names: Collection[str]) -> Collection[str]:
        """Return all names; what the optimizer needs to know of the schedule is noted here."""
        self._step, self._steps = step + 1, steps
        return names

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return each example's cross entropy, with the gradient of how far the factors are from orthonormal added.

        The value stays the cross entropy, so that histories compare.
        """
        assert isinstance(self.settings, AdaloraSettings)
        if not logits.requires_grad:
            return super().loss(logits, labels)
        penalty = self.settings.orthogonality * self._distance()
        return super().loss(logits, labels) + (penalty - penalty.detach())

    def optimizer(self, parameters: Mapping[str, Parameter], optimization: Optimization) -> Optimizer:
        """Return AdamW that shares out the ranks after each of its steps."""
        from peft.tuners.adalora.layer import RankAllocator

        from tuneoff.training.ranks import AllocatingAdamW

        allocator: Any = RankAllocator
        made = allocator(self._backbone, self._backbone.peft_config[ADAPTER], ADAPTER)
        return AllocatingAdamW(parameters.values(), optimization, self._backbone, made, self._now)

    def _now(self) -> tuple[int, int, int, int]:
        """Return the step being taken (from 1), the steps in all, and how many come before and after pruning."""
        assert isinstance(self.settings, AdaloraSettings)
        steps = self._steps
        return self._step, steps, int(self.settings.warm_share * steps), int(self.settings.final_share * steps)

    def _distance(self) -> Tensor:
        """Return the mean over all factors of the norm of their products' difference from one."""
        import torch

        apart: list[Tensor] = []
        for layer in self._layers.values():
            first, second = layer.lora_A[ADAPTER], layer.lora_B[ADAPTER]
            one = torch.eye(len(first), device=first.device, dtype=first.dtype)
            apart += [torch.linalg.norm(first @ first.T - one), torch.linalg.norm(second.T @ second - one)]
        return torch.stack(apart).mean()
