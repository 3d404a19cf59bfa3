"""LoRA: low-rank adapters on chosen projections, and the head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneoff.section import keyed
from tuneoff.techniques.base import StageSettings, Technique

if TYPE_CHECKING:
    from tuneoff.models.classifier import TextClassifier


class LoraSettings(StageSettings):
    """Settings of LoRA. Its best rate is about ten times that of full fine-tuning (Schulman et al. 2025)."""

    learning_rate: float = keyed(2e-4, doc="Of all that the stage trains.", gt=0)
    rank: int = keyed(8, doc="Rank of each adapter.", ge=1)
    alpha: int = keyed(32, doc="The adapters' output is scaled by alpha / rank.", gt=0)
    dropout: float = keyed(0.1, doc="Dropout before the adapters.", ge=0, lt=1)
    target_modules: list[str] | None = keyed(
        None, doc="Names of the layers with an adapter; the query and value projections if left out."
    )


class Lora(Technique):
    """Train a low-rank change of some projections, and the head (Hu et al. 2021, arXiv 2106.09685)."""

    name = "lora"
    summary = "train low-rank adapters on the query and value projections, and the head"
    settings_class = LoraSettings

    def apply(self, classifier: TextClassifier) -> None:
        """Add the adapters, in fp32 on any base, and make them and the head trainable.

        Raises ModelError where the architecture's projections are unknown or no layer has the names given.
        """
        import torch
        from peft import LoraConfig, get_peft_model

        from tuneoff.models.families import lora_targets

        settings = self.settings
        assert isinstance(settings, LoraSettings)
        classifier.requires_grad_(False)
        targets = settings.target_modules or lora_targets(classifier.backbone)
        config = LoraConfig(
            r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout, target_modules=targets
        )
        classifier.backbone = get_peft_model(classifier.backbone, config)
        for parameter in classifier.parameters():
            if parameter.requires_grad:
                parameter.data = parameter.data.to(torch.float32)
        for parameter in classifier.head_parameters().values():
            parameter.requires_grad_(True)

    def train_mode(self, classifier: TextClassifier) -> None:
        """Switch on the adapters' own dropout alone."""
        classifier.eval()
        for name, module in classifier.named_modules():
            if name.endswith("lora_dropout"):
                module.train()

    def merge(self, classifier: TextClassifier) -> None:
        """Add each adapter's product to the weight it stands beside, and take the adapters out."""
        classifier.backbone = classifier.backbone.merge_and_unload()
