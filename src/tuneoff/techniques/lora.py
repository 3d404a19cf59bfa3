"""LoRA: low-rank adapters on chosen projections, and the head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
        None, doc="Names of the projections with an adapter; those of queries and values if left out."
    )
    layers: int | None = keyed(
        None, doc="Transformer layers with adapters, counted from the top; all if left out.", ge=1
    )


class Lora(Technique):
    """Train a low-rank change of some projections, and the head (Hu et al. 2021, arXiv 2106.09685)."""

    name = "lora"
    summary = "train low-rank adapters on the query and value projections, and the head"
    settings_class = LoraSettings

    def apply(self, classifier: TextClassifier) -> None:
        """Add the adapters, in fp32 on any base, and make them and the head trainable.

        They are put in place without peft's wrapper model, so every name in the backbone stays what it was. Raises
        ModelError where the architecture's projections are unknown, no layer has the names given, or there are fewer
        layers than asked for.
        """
        import torch
        from peft import LoraConfig, inject_adapter_in_model
        from transformers.pytorch_utils import Conv1D

        from tuneoff.errors import ModelError
        from tuneoff.models.families import linear_names, lora_targets

        settings = self.settings
        assert isinstance(settings, LoraSettings)
        classifier.requires_grad_(False)
        targets = settings.target_modules or lora_targets(classifier.backbone)
        known = linear_names(classifier.backbone)
        # peft leaves out what it does not find, as long as it finds one of them.
        if unknown := [name for name in targets if name.rpartition(".")[2] not in known]:
            raise ModelError(f"lora: target_modules {unknown} do not fit; the linear layers are {', '.join(known)}")
        config = LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules=targets,
            **self._only_layers(classifier),
            # GPT-2's layers hold their weights transposed.
            fan_in_fan_out=any(isinstance(module, Conv1D) for module in classifier.backbone.modules()),
        )
        try:
            inject_adapter_in_model(config, classifier.backbone)
        except ValueError as error:
            raise ModelError(
                f"lora: target_modules {targets} do not fit; the linear layers are {', '.join(known)}"
            ) from error
        for name, parameter in classifier.named_parameters():
            if ".lora_" in name:
                parameter.data = parameter.data.to(torch.float32)
                parameter.requires_grad_(True)
        for parameter in classifier.head_parameters().values():
            parameter.requires_grad_(True)

    def _only_layers(self, classifier: TextClassifier) -> dict[str, Any]:
        """Return peft's settings for adapters in the top layers alone."""
        from tuneoff.models.depth import layer_list, top_layers

        assert isinstance(self.settings, LoraSettings)
        if self.settings.layers is None:
            return {}
        numbers = list(top_layers(classifier.backbone, self.settings.layers, self.name))
        found = layer_list(classifier.backbone)
        assert found is not None
        return {"layers_to_transform": numbers, "layers_pattern": found[0].rpartition(".")[2]}

    def train_mode(self, classifier: TextClassifier) -> None:
        """Switch on the adapters' own dropout alone."""
        classifier.eval()
        for name, module in classifier.named_modules():
            if name.endswith("lora_dropout"):
                module.train()

    def merge(self, classifier: TextClassifier) -> None:
        """Add each adapter's product to the weight it stands beside, and take the adapters out."""
        from peft.tuners.lora import LoraLayer

        adapted = [(name, one) for name, one in classifier.named_modules() if isinstance(one, LoraLayer)]
        for name, layer in adapted:
            layer.merge()
            parent, _, last = name.rpartition(".")
            setattr(classifier.get_submodule(parent), last, layer.get_base_layer())
        # peft's note of the adapters; with it, those of a next stage would be taken for a second set.
        del classifier.backbone.peft_config
