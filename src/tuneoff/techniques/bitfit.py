"""BitFit: the biases that the backbone has, and the head, are trained; every matrix is frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneoff.errors import ModelError
from tuneoff.section import keyed
from tuneoff.techniques.base import StageSettings, Technique

if TYPE_CHECKING:
    from tuneoff.models.classifier import TextClassifier


class BitfitSettings(StageSettings):
    """Settings of BitFit. The default rate is among those that its paper searches for BERT, 1e-4 to 1e-3."""

    learning_rate: float = keyed(4e-4, doc="Of all that the stage trains.", gt=0)


class Bitfit(Technique):
    """Train biases alone, and the head (Ben Zaken et al. 2021, arXiv 2106.10199): a thousandth of the weights."""

    name = "bitfit"
    summary = "train the biases of the backbone, and the head"
    settings_class = BitfitSettings

    def apply(self, classifier: TextClassifier) -> None:
        """Make biases and head trainable; ModelError where the backbone has none, as Qwen3, Llama and Gemma."""
        biases = [value for name, value in classifier.backbone_parameters().items() if _is_bias(name)]
        if not biases:
            kind = type(classifier.backbone).__name__
            raise ModelError(
                f"bitfit: {kind} has no biases, so nothing but the head would be trained: use linear-probe for that, "
                "or lora or ln-tuning to train a little of the backbone."
            )
        classifier.requires_grad_(False)
        for parameter in [*biases, *classifier.head_parameters().values()]:
            parameter.requires_grad_(True)

    def train_mode(self, classifier: TextClassifier) -> None:
        """Switch on all of the model's own dropout: every layer has biases that are trained."""
        classifier.train()


def _is_bias(name: str) -> bool:
    """Return whether a parameter is added and not multiplied, by what architectures call it (`bias`, `q_bias`)."""
    return name.rpartition(".")[2].endswith("bias")
