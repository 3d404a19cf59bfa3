"""Prefix tuning: keys and values that every layer attends to are trained, and the head; the model is frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneoff.section import keyed
from tuneoff.techniques.virtual import VirtualTokenSettings, VirtualTokenTechnique

if TYPE_CHECKING:
    from tuneoff.models.classifier import TextClassifier

FIRST_STD = 0.02  # peft's own is 1, which at first drowns what the texts say


class PrefixSettings(VirtualTokenSettings):
    """Settings of prefix tuning. The default rate is of the size that P-tuning v2 (arXiv 2110.07602) uses."""

    learning_rate: float = keyed(5e-3, doc="Of all that the stage trains.", gt=0)
    virtual_tokens: int = keyed(20, doc="Trained keys and values in each layer.", ge=1)
    projection: bool = keyed(False, doc="Whether they come out of a network of two layers, as in the paper.")


class Prefix(VirtualTokenTechnique):
    """Train keys and values before those of each text in every layer, and the head (Li and Liang 2021).

    arXiv 2101.00190; without the paper's network between, as P-tuning v2 has it, unless `projection` asks for it. There
    are no hidden states of virtual tokens, so only real ones are pooled.
    """

    name = "prefix"
    summary = "train keys and values that every layer attends to beside a text's own, and the head"
    settings_class = PrefixSettings
    ends_a_chain = "for its keys and values cannot be merged into the weights"

    def apply(self, classifier: TextClassifier) -> None:
        """Give every layer the keys and values, in fp32, and make them and the head trainable.

        Raises ModelError for a native head, and for an architecture whose attention cannot be given any.
        """
        import torch
        from peft import PrefixTuningConfig
        from peft.tuners.prefix_tuning import PrefixEncoder

        from tuneoff.models.depth import layer_list
        from tuneoff.models.virtual_tokens import key_shape, own_table, prefix_attention

        assert isinstance(self.settings, PrefixSettings)
        table, layers = own_table(classifier, self.name), layer_list(classifier.backbone)
        classifier.requires_grad_(False)
        count = self.virtual_tokens
        heads, width = key_shape(classifier.backbone.config)
        with torch.device(table.weight.device):
            config = PrefixTuningConfig(
                num_virtual_tokens=count,
                token_dim=heads * width,
                num_layers=len(layers[1]) if layers else 1,
                num_attention_heads=heads,
                num_transformer_submodules=1,
                encoder_hidden_size=table.embedding_dim,
                prefix_projection=self.settings.projection,
            )
            encoder = PrefixEncoder(config).float()  # type: ignore[no-untyped-call]  # peft leaves it so
            if not self.settings.projection:
                torch.nn.init.normal_(encoder.embedding.weight, std=FIRST_STD)

        def virtual() -> torch.Tensor:
            made: torch.Tensor = encoder(torch.arange(count, device=encoder.embedding.weight.device))
            return made

        prefix_attention(classifier, encoder, virtual, count)
        for parameter in [*encoder.parameters(), *classifier.head_parameters().values()]:
            parameter.requires_grad_(True)
