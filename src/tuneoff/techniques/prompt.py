"""Prompt tuning: vectors that stand before each text are trained, and the head; the model is frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneoff.section import keyed
from tuneoff.techniques.virtual import VirtualTokenSettings, VirtualTokenTechnique

if TYPE_CHECKING:
    from tuneoff.models.classifier import TextClassifier


class PromptSettings(VirtualTokenSettings):
    """Settings of prompt tuning. Few numbers far from the loss bear, and need, a high rate."""

    learning_rate: float = keyed(1e-2, doc="Of all that the stage trains.", gt=0)
    virtual_tokens: int = keyed(20, doc="Trained vectors before each text.", ge=1)


class Prompt(VirtualTokenTechnique):
    """Train virtual tokens before each text, and the head (Lester et al. 2021, arXiv 2104.08691).

    They start as embeddings of tokens drawn from the vocabulary, which the paper finds better than random numbers
    (section 3.2). Only real tokens are pooled.
    """

    name = "prompt"
    summary = "train virtual tokens that stand before each text, and the head"
    settings_class = PromptSettings
    ends_a_chain = "for its virtual tokens cannot be merged into the weights"

    def apply(self, classifier: TextClassifier) -> None:
        """Put the virtual tokens before each text, in fp32, and make them and the head trainable.

        Raises ModelError for a native head, which pools where it thinks that a text ends.
        """
        import torch
        from peft import PromptTuningConfig
        from peft.tuners.prompt_tuning import PromptEmbedding

        from tuneoff.models.virtual_tokens import own_table, prepend

        table = own_table(classifier, self.name)
        classifier.requires_grad_(False)
        count = self.virtual_tokens
        with torch.device(table.weight.device):
            config = PromptTuningConfig(
                num_virtual_tokens=count,
                token_dim=table.embedding_dim,
                num_transformer_submodules=1,
                prompt_tuning_init="SAMPLE_VOCAB",
            )
            prompt = PromptEmbedding(config, table).float()  # type: ignore[no-untyped-call]  # peft leaves it so
        prepend(classifier, prompt, lambda: prompt.embedding.weight, count)
        for parameter in [*prompt.parameters(), *classifier.head_parameters().values()]:
            parameter.requires_grad_(True)
