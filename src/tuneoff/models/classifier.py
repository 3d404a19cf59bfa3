"""A pre-trained model with a classification head: from padded token ids to logits that do not depend on the batch."""

import inspect
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from tuneoff.errors import ModelError
from tuneoff.models import backbones, packed_attention, quantised, text
from tuneoff.models.neighbours import Neighbours
from tuneoff.models.packing import Packed, pool_packed
from tuneoff.models.pooling import at_least_float32, pool
from tuneoff.models.resolve import ResolvedModel
from tuneoff.models.tried import check_padding, long_probe, try_packing
from tuneoff.study import Pooling

HEAD_STD = 0.02
PROBE_LENGTHS = (5, 9)  # of texts without a tokenizer: a shorter and a longer one, as `Reading.probes`


class TextClassifier(nn.Module):
    """A backbone and a head.

    `backbone` is transformers' model. With a linear head it is the bare model, and `head` our bias-free float32 layer
    on the pooled vector, or what a technique puts in its place (`replace_head`). With a native head it is the class's
    own model for classification, and `head` is None.

    `pad_id` and `pad_side` say how batches are to be padded; `separator` is where a second segment begins (see
    `text.segment_separator`); `new_head` names the native head's parameters that the checkpoint did not have.
    `packable` says that texts may stand one after another in a row (`packed_vectors`). `prompt` holds what a technique
    puts before each text, as if it were `virtual_tokens` more (see `virtual_tokens`).
    """

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Linear | None,
        *,
        pooling: Pooling,
        pad_id: int = 0,
        separator: int | None = None,
        new_head: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head: nn.Linear | Neighbours | None = head
        self.pooling = pooling
        self.pad_id = pad_id
        self.separator = separator
        self.new_head = new_head
        self.packable = False
        self.virtual_tokens = 0
        self.prompt: nn.Module | None = None
        # Read now: a technique may wrap the backbone later, and hide what it accepts and how its parts are named.
        self.accepted = frozenset(inspect.signature(backbone.forward).parameters)
        self.first_position = backbones.first_position(backbone)
        self._head_modules: list[nn.Module] = [head] if head is not None else backbones.own_modules(backbone)
        if "attention_mask" not in self.accepted:
            raise ModelError(f"{type(backbone).__name__} takes no attention mask: padding would be read as text.")

    @property
    def depends_on_batch(self) -> bool:
        """Whether a text's logits depend on the other texts of its batch, as `misindexed` makes them."""
        return self.head is not None and self.pooling == "misindexed"

    @property
    def pad_side(self) -> Literal["right", "left"]:
        """The side to pad: right, but left for `misindexed`, as it was in the experiment that it replicates."""
        return "left" if self.depends_on_batch else "right"

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return float32 logits [B, C] of token ids and attention mask [B, T], padded on either side."""
        if self.head is None:
            logits: Tensor = self.backbone(**self._inputs(input_ids, attention_mask)).logits
            return at_least_float32(logits)
        return self.classify(self.vectors(input_ids, attention_mask))

    def classify(self, vectors: Tensor) -> Tensor:
        """Return float32 logits [B, C] of pooled vectors [B, H]; ModelError for a native head."""
        if self.head is None:
            raise ModelError("`head: native` has no pooled vectors to take: use `head: linear`.")
        if self.head.in_features != vectors.shape[-1]:
            raise ModelError(
                "this head classifies the vectors of two texts that are read each by itself, not one text's."
            )
        with torch.autocast(vectors.device.type, enabled=False):
            logits: Tensor = self.head(vectors)
            return logits

    def vectors(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the pooled vectors, float32 [B, H], that the linear head sees; ModelError for a native head."""
        if self.head is None:
            raise ModelError("`head: native` has no pooled vectors to give: use `head: linear`.")
        hidden = self.backbone(**self._inputs(input_ids, attention_mask)).last_hidden_state
        with torch.autocast(hidden.device.type, enabled=False):
            return pool(hidden, attention_mask, self.pooling)

    def packed_vectors(self, packed: Packed) -> Tensor:
        """Return the pooled vectors, float32 [B, H], of packed texts: what `vectors` gives, without padding.

        For classifiers that are `packable`; others may raise, or mix the texts.
        """
        inputs: dict[str, Any] = {
            "input_ids": packed.input_ids,
            "position_ids": packed.position_ids + self.first_position,
            "packed_lengths": packed.lengths,
        }
        if packed.segment_ids is not None:
            inputs["token_type_ids"] = packed.segment_ids
        if "use_cache" in self.accepted:
            inputs["use_cache"] = False
        with packed_attention.packing():
            hidden = self.backbone(**inputs).last_hidden_state
        with torch.autocast(hidden.device.type, enabled=False):
            return pool_packed(hidden[0], packed.lengths, self.pooling)

    def replace_head(self, head: nn.Linear | Neighbours) -> None:
        """Classify pooled vectors by something else than the linear head, which is let go."""
        self.head = head
        self._head_modules = [head]

    def head_parameters(self) -> dict[str, nn.Parameter]:
        """Return the head's parameters by their names in `named_parameters`.

        Of a native head, what the class adds to the base model; BERT's pooler is the base's.
        """
        head = {id(parameter) for module in self._head_modules for parameter in module.parameters()}
        return {name: value for name, value in self.named_parameters() if id(value) in head}

    def backbone_parameters(self) -> dict[str, nn.Parameter]:
        """Return all parameters but the head's, by their names in `named_parameters`."""
        head = self.head_parameters()
        return {name: value for name, value in self.named_parameters() if name not in head}

    def _inputs(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Any]:
        inputs: dict[str, Any] = {"input_ids": input_ids, "attention_mask": attention_mask}
        if "position_ids" in self.accepted:
            places = (attention_mask.cumsum(dim=1) - 1).clamp(min=0)
            inputs["position_ids"] = places + self.first_position
        elif not self.depends_on_batch and not bool(attention_mask[:, 0].all()):
            raise ModelError("this model counts positions from the start of a row: pad on the right.")
        if self.separator is not None:
            inputs["token_type_ids"] = text.segments(input_ids, self.separator) * attention_mask
        if "use_cache" in self.accepted:
            inputs["use_cache"] = False
        return inputs


def build_meta(resolved: ResolvedModel, n_classes: int) -> TextClassifier:
    """Return the classifier on the meta device, made from the config alone: shapes and names, no weights."""
    return _build(resolved, n_classes, "meta").eval().requires_grad_(False)


def build_random(resolved: ResolvedModel, n_classes: int, device: torch.device) -> TextClassifier:
    """Return the classifier with random numbers, made from the config alone: for what it costs, not what it says.

    It is packable as the real one would be. The global random state is left alone.
    """
    classifier = _build(resolved, n_classes, "cpu")
    if classifier.head is None:
        _prepare_native(classifier)
    else:
        classifier.head.to_empty(device="cpu")
        init_head(classifier, 0)
    if resolved.load:
        quantised.quantise(classifier.backbone, backbones.head_modules(resolved, backbones.numbered(n_classes)))
    classifier.eval().requires_grad_(False).to(device)
    vocabulary = int(resolved.config.get_text_config().vocab_size)
    probes = [np.arange(length, dtype=np.int32) % vocabulary for length in PROBE_LENGTHS]
    try_packing(classifier, [*probes, long_probe(resolved, probes[1])])
    return classifier


def _build(resolved: ResolvedModel, n_classes: int, device: str) -> TextClassifier:
    auto, extra = backbones.auto_class(resolved)
    config = backbones.own_config(resolved, backbones.numbered(n_classes))
    with torch.device(device), backbones.quiet(), backbones.random_state_kept():
        model = backbones.from_config(auto, config, resolved, **extra)
        head = _linear(config, n_classes) if resolved.head == "linear" else None
    return TextClassifier(model, head, pooling=resolved.pooling)


def load_classifier(
    resolved: ResolvedModel,
    classes: Sequence[str],
    *,
    device: torch.device | str,
    dtype: torch.dtype = torch.float32,
) -> TextClassifier:
    """Return the pre-trained model with a head for `classes`, in eval mode, nothing of it trainable yet.

    Call `init_head` for the head's numbers: until then they are zero, or, of a native head, what the checkpoint has.
    `dtype` is the backbone's; heads are float32. Raises ModelError if the checkpoint lacks a weight of the backbone,
    or if the model as loaded would give a text other vectors in company than alone.
    """
    model, new = backbones.load_backbone(resolved, classes, dtype)
    reading = text.reading(resolved)
    classifier = TextClassifier(
        model,
        _zero_linear(model.config, len(classes)) if resolved.head == "linear" else None,
        pooling=resolved.pooling,
        pad_id=reading.pad_id,
        separator=reading.separator,
        new_head=frozenset(f"backbone.{name}" for name in new),
    )
    if classifier.head is None:
        _prepare_native(classifier)
    classifier.eval().requires_grad_(False).to(device)
    check_padding(classifier, reading.probes)
    try_packing(classifier, [*reading.probes, long_probe(resolved, reading.probes[1])])
    return classifier


def init_head(classifier: TextClassifier, seed: int) -> None:
    """Give the head its first numbers: the same for the same seed on any device; global random state is left alone.

    Ours: normal(0, 0.02). A native head: the class's own initialisation, of what did not come with the checkpoint.
    Call it before a technique wraps the backbone.
    """
    if isinstance(classifier.head, nn.Linear):
        weight = classifier.head.weight
        numbers = torch.empty(weight.shape).normal_(0, HEAD_STD, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            weight.copy_(numbers)
        return
    model: Any = classifier.backbone
    for name, parameter in classifier.head_parameters().items():
        # The mark by which transformers' initialisation leaves alone what was loaded.
        parameter._is_hf_initialized = name not in classifier.new_head  # type: ignore[attr-defined]
    with backbones.random_state_kept(), torch.no_grad():
        torch.default_generator.manual_seed(seed)
        for module in classifier._head_modules:
            device = next(model.parameters()).device
            module.to("cpu").apply(model._init_weights).to(device)


def _linear(config: Any, n_classes: int) -> nn.Linear:
    """Return the head on the meta device, so that nothing is drawn from the global random state."""
    # OPT may project its last hidden states to another width than its layers have.
    width = getattr(config, "word_embed_proj_dim", None) or config.hidden_size
    return nn.Linear(width, n_classes, bias=False, device="meta", dtype=torch.float32)


def _zero_linear(config: Any, n_classes: int) -> nn.Linear:
    head = _linear(config, n_classes).to_empty(device="cpu")
    nn.init.zeros_(head.weight)
    return head


def _prepare_native(classifier: TextClassifier) -> None:
    """Let the class pool by our padding id, and let its head compute in float32 on a backbone of any type."""
    model: Any = classifier.backbone
    # Only now: while the model was built, the embedding of this id would have been taken for one without gradient.
    model.config.pad_token_id = classifier.pad_id

    def as_float32(_module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(value.float() if torch.is_tensor(value) else value for value in arguments)

    for module in classifier._head_modules:
        module.float().register_forward_pre_hook(as_float32)
