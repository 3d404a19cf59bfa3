"""EVA: LoRA that starts from the directions in which the layers' inputs vary most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tuneoff.techniques.adapter import ADAPTER, adapters
from tuneoff.techniques.lora import Lora, LoraSettings

if TYPE_CHECKING:
    from torch import Tensor, nn

    from tuneoff.models.classifier import TextClassifier


class Eva(Lora):
    """Train LoRA from the principal components of each layer's inputs (Paischer et al. 2024, arXiv 2410.07170).

    The components are exact, over all tokens of train, where the paper's are found step by step. Every layer keeps the
    rank of the settings: ranks that follow from the data (the paper's rho above 1) could not be made again from what
    is stored.
    """

    name = "eva"
    summary = "train low-rank adapters that start from the principal components of their inputs, and the head"
    settings_class = LoraSettings

    def peft_fields(self, targets: Mapping[str, nn.Module]) -> dict[str, Any]:
        """Return LoRA's fields; raises ModelError where the rank is larger than a layer's input."""
        from tuneoff.errors import ModelError
        from tuneoff.models.modules import sizes

        assert isinstance(self.settings, LoraSettings)
        least = min(sizes(layer)[0] for layer in targets.values())
        if self.settings.rank > least:
            raise ModelError(
                f"eva: rank is {self.settings.rank}, and a layer takes {least} numbers: choose a lower one"
            )
        return super().peft_fields(targets)

    def data_pass(self, classifier: TextClassifier, batches: Iterable[Mapping[str, Tensor]]) -> None:
        """Give each adapter's first factor the principal components of its layer's inputs, the largest first.

        Without any batch, as for counting, LoRA's own first numbers stay.
        """
        import torch

        from tuneoff.training.components import InputMoments

        layers = adapters(classifier)
        moments = InputMoments({name: layer.get_base_layer() for name, layer in layers.items()})
        with torch.no_grad(), moments.watching():
            for batch in batches:
                moments.mask = batch["attention_mask"]
                classifier(**batch)
            for name, layer in layers.items():
                factor = layer.lora_A[ADAPTER].weight
                if moments.seen(name):
                    factor.copy_(moments.components(name, len(factor)))
