"""The peers' model: transformers' own forward pass, one vector a text, and a linear layer without bias on it."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModel
from transformers.modeling_outputs import SequenceClassifierOutput

from benchmarks.data import Texts
from benchmarks.flops import Work
from benchmarks.setting import Setting
from tuneoff.models.text import segment_separator

HEAD_STD = 0.02


class Classifier(nn.Module):
    """What one would write by hand. `lengths` notes the real tokens of each text seen, by whether it was trained on."""

    def __init__(self, backbone: Any, classes: int, mean: bool, extra: dict[str, Any]) -> None:
        super().__init__()
        self.backbone = backbone
        self.config = backbone.config  # Trainer and peft ask for it
        self.mean = mean
        self.extra = extra
        self.head = nn.Linear(backbone.config.hidden_size, classes, bias=False)
        nn.init.normal_(self.head.weight, 0, HEAD_STD)
        self.lengths: dict[bool, list[int]] = {True: [], False: []}

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor | None = None
    ) -> SequenceClassifierOutput:
        """Return logits [B, C], and the mean loss where labels are given."""
        counts = attention_mask.sum(dim=1)
        self.lengths[self.training].extend(counts.tolist())
        hidden = self.backbone(input_ids=input_ids, attention_mask=attention_mask, **self.extra).last_hidden_state
        if self.mean:
            vectors = (hidden * attention_mask.unsqueeze(-1)).sum(dim=1) / counts.unsqueeze(-1)
        else:
            vectors = hidden[torch.arange(len(hidden)), counts - 1]  # padded on the right
        logits = self.head(vectors)
        loss = None if labels is None else nn.functional.cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)


def load(texts: Texts, setting: Setting, work: Work, *, freeze: bool) -> tuple[nn.Module, Classifier]:
    """Return the model to train, and the classifier inside it; they differ where peft wraps it.

    With `freeze` the linear probe's backbone takes part in no gradient.
    """
    torch.manual_seed(0)
    assert texts.model.path is not None
    decoder = texts.model.is_decoder
    # A pooler would be trained by nobody, and a cache of keys and values read by nobody.
    backbone = AutoModel.from_pretrained(
        texts.model.path,
        dtype=torch.float32,
        use_safetensors=True,
        local_files_only=True,
        **({} if decoder else {"add_pooling_layer": False}),
    )
    if texts.model.pooling not in ("mean", "last"):
        raise ValueError(f"the peers pool by mean or last, not {texts.model.pooling}")
    if segment_separator(texts.model, texts.tokenizer) is not None:
        raise ValueError("the peers give a model no segments: take one whose tokenizer has none")
    mean = texts.model.pooling == "mean"
    classifier = Classifier(backbone, texts.classes, mean, {"use_cache": False} if decoder else {})
    if work == "lora":
        return _with_adapters(classifier, setting), classifier
    if work == "linear-probe" and freeze:
        classifier.backbone.requires_grad_(False)
    return classifier, classifier


def _with_adapters(classifier: Classifier, setting: Setting) -> nn.Module:
    from peft import LoraConfig, get_peft_model

    from tuneoff.models.families import lora_targets

    settings = setting.techniques["lora"]
    config = LoraConfig(
        r=settings["rank"],
        lora_alpha=settings["alpha"],
        lora_dropout=settings["dropout"],
        target_modules=lora_targets(classifier.backbone),
        modules_to_save=["head"],
    )
    wrapped: nn.Module = get_peft_model(classifier, config)
    return wrapped


def trained_parameters(parameters: Any) -> int:
    """Return how many numbers an optimizer was given."""
    return sum(value.numel() for value in parameters)
