"""P-tuning: virtual tokens before each text come out of a small network, which is trained, as is the head."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneoff.section import keyed
from tuneoff.techniques.virtual import VirtualTokenSettings, VirtualTokenTechnique

if TYPE_CHECKING:
    from tuneoff.models.classifier import TextClassifier


class PTuningSettings(VirtualTokenSettings):
    """Settings of P-tuning."""

    learning_rate: float = keyed(1e-3, doc="Of all that the stage trains.", gt=0)
    encoder_hidden_size: int | None = keyed(
        None, doc="Width of the network that makes them; that of the model's embeddings if left out.", ge=1
    )


class PTuning(VirtualTokenTechnique):
    """Train virtual tokens through a network of three layers, and the head (Liu et al. 2021, arXiv 2103.10385).

    The network ties the virtual tokens to each other, for which the paper has a recurrent one; it is peft's MLP here.
    Only real tokens are pooled.
    """

    name = "p-tuning"
    summary = "train a small network that makes virtual tokens before each text, and the head"
    settings_class = PTuningSettings
    ends_a_chain = "for its virtual tokens cannot be merged into the weights"

    def apply(self, classifier: TextClassifier) -> None:
        """Put the virtual tokens before each text, in fp32, and make their network and the head trainable.

        Raises ModelError for a native head, which pools where it thinks that a text ends.
        """
        import torch
        from peft import PromptEncoderConfig
        from peft.tuners.p_tuning import PromptEncoder

        from tuneoff.models.virtual_tokens import own_table, prepend

        assert isinstance(self.settings, PTuningSettings)
        table = own_table(classifier, self.name)
        classifier.requires_grad_(False)
        count = self.virtual_tokens
        with torch.device(table.weight.device):
            config = PromptEncoderConfig(
                num_virtual_tokens=count,
                token_dim=table.embedding_dim,
                num_transformer_submodules=1,
                encoder_hidden_size=self.settings.encoder_hidden_size or table.embedding_dim,
            )
            encoder = PromptEncoder(config).float()  # type: ignore[no-untyped-call]  # peft leaves it so

        def virtual() -> torch.Tensor:
            made: torch.Tensor = encoder(torch.arange(count, device=encoder.embedding.weight.device))
            return made

        prepend(classifier, encoder, virtual, count)
        for parameter in [*encoder.parameters(), *classifier.head_parameters().values()]:
            parameter.requires_grad_(True)
