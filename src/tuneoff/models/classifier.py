"""A pre-trained model with a classification head: from padded token ids to logits that do not depend on the batch."""

import contextlib
import copy
import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from tuneoff.errors import ModelError
from tuneoff.models import text
from tuneoff.models.pooling import pool
from tuneoff.models.resolve import ResolvedModel
from tuneoff.study import Pooling

HEAD_STD = 0.02


class TextClassifier(nn.Module):
    """A backbone and a head.

    `backbone` is transformers' model. With a linear head it is the bare model, and `head` our bias-free float32 layer
    on the pooled vector. With a native head it is the class's own model for classification, and `head` is None.

    `pad_id` and `pad_side` say how batches are to be padded; `separator` is where a second segment begins (see
    `text.segment_separator`); `new_head` names the native head's parameters that the checkpoint did not have.
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
        self.head = head
        self.pooling = pooling
        self.pad_id = pad_id
        self.separator = separator
        self.new_head = new_head
        self._accepted = frozenset(inspect.signature(backbone.forward).parameters)
        self._first_position = _first_position(backbone)
        self._head_parts = [] if head is not None else _own_parts(backbone)

    @property
    def depends_on_batch(self) -> bool:
        """Whether a text's logits depend on the other texts of its batch: the defect of `misindexed`, and only there."""
        return self.head is not None and self.pooling == "misindexed"

    @property
    def pad_side(self) -> str:
        """The side to pad: right, but left for `misindexed`, as it was in the experiment that it replicates."""
        return "left" if self.depends_on_batch else "right"

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return float32 logits [B, C] of token ids and attention mask [B, T], padded on either side."""
        if self.head is None:
            logits: Tensor = self.backbone(**self._inputs(input_ids, attention_mask)).logits
            return logits.float()
        vectors = self.vectors(input_ids, attention_mask)
        with torch.autocast(vectors.device.type, enabled=False):
            return self.head(vectors)  # type: ignore[no-any-return]  # modules are untyped calls

    def vectors(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Return the pooled vectors, float32 [B, H], that the linear head sees; ModelError for a native head."""
        if self.head is None:
            raise ModelError("`head: native` has no pooled vectors to give: use `head: linear`.")
        hidden = self.backbone(**self._inputs(input_ids, attention_mask)).last_hidden_state
        with torch.autocast(hidden.device.type, enabled=False):
            return pool(hidden, attention_mask, self.pooling)

    def head_parameters(self) -> dict[str, nn.Parameter]:
        """Return the head's parameters by their names in `named_parameters`.

        Of a native head, what the class adds to the base model; BERT's pooler is the base's.
        """
        inside = tuple(f"backbone.{part}." for part in self._head_parts) or ("head.",)
        return {name: value for name, value in self.named_parameters() if name.startswith(inside)}

    def backbone_parameters(self) -> dict[str, nn.Parameter]:
        """Return all parameters but the head's, by their names in `named_parameters`."""
        head = self.head_parameters()
        return {name: value for name, value in self.named_parameters() if name not in head}

    def _inputs(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Any]:
        inputs: dict[str, Any] = {"input_ids": input_ids, "attention_mask": attention_mask}
        if "position_ids" in self._accepted:
            places = (attention_mask.cumsum(dim=1) - 1).clamp(min=0)
            inputs["position_ids"] = places + self._first_position
        elif not self.depends_on_batch and not bool(attention_mask[:, 0].all()):
            raise ModelError("this model counts positions from the start of a row: pad on the right.")
        if self.separator is not None:
            inputs["token_type_ids"] = text.segments(input_ids, self.separator) * attention_mask
        if "use_cache" in self._accepted:
            inputs["use_cache"] = False
        return inputs


def build_meta(resolved: ResolvedModel, n_classes: int) -> TextClassifier:
    """Return the classifier on the meta device, made from the config alone: shapes and names, no weights."""
    auto, extra = _auto_class(resolved)
    config = _own_config(resolved, [str(number) for number in range(n_classes)])
    with torch.device("meta"), _quiet(), _random_state_kept():
        model = auto.from_config(config, dtype=torch.float32, trust_remote_code=resolved.trust_remote_code, **extra)
        head = _linear(config.hidden_size, n_classes) if resolved.head == "linear" else None
    return TextClassifier(model, head, pooling=resolved.pooling).eval().requires_grad_(False)


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
    model, new = _load(resolved, classes, dtype)
    tokenizer = text.load_tokenizer(resolved)
    classifier = TextClassifier(
        model,
        _linear(model.config.hidden_size, len(classes)) if resolved.head == "linear" else None,
        pooling=resolved.pooling,
        pad_id=text.padding_id(resolved, tokenizer),
        separator=text.segment_separator(resolved, tokenizer),
        new_head=frozenset(f"backbone.{name}" for name in new),
    )
    if classifier.head is None:
        _prepare_native(classifier)
    classifier.eval().requires_grad_(False).to(device)
    _check_padding(classifier, text.tokenize(resolved, tokenizer, (["a", "a b c d e f g"],)).ids)
    return classifier


def init_head(classifier: TextClassifier, seed: int) -> None:
    """Give the head its first numbers: the same for the same seed on any device; global random state is left alone.

    Ours: normal(0, 0.02). A native head: the class's own initialisation, of what did not come with the checkpoint.
    """
    if classifier.head is not None:
        weight = classifier.head.weight
        numbers = torch.empty(weight.shape).normal_(0, HEAD_STD, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            weight.copy_(numbers)
        return
    model: Any = classifier.backbone
    for name, parameter in classifier.head_parameters().items():
        # The mark by which transformers' initialisation leaves alone what was loaded.
        parameter._is_hf_initialized = name not in classifier.new_head  # type: ignore[attr-defined]
    with _random_state_kept(), torch.no_grad():
        torch.random.default_generator.manual_seed(seed)
        for part in classifier._head_parts:
            module = model.get_submodule(part)
            device = next((value.device for value in module.parameters()), None)
            module.to("cpu").apply(model._init_weights)
            module.to(device)


def _linear(width: int, n_classes: int) -> nn.Linear:
    """Return the head, zeros still, without drawing from the global random state (`init_head` draws)."""
    head = nn.utils.skip_init(nn.Linear, width, n_classes, bias=False, dtype=torch.float32)
    if not head.weight.is_meta:
        nn.init.zeros_(head.weight)
    return head


def _auto_class(resolved: ResolvedModel) -> tuple[Any, dict[str, Any]]:
    """Return transformers' auto class for the model and head, and the arguments that leave out an unread pooler."""
    from transformers import AutoModel, AutoModelForSequenceClassification, AutoModelForTextEncoding

    config = resolved.config
    own_code = getattr(config, "auto_map", None) or {}
    if resolved.head == "native":
        known = type(config) in AutoModelForSequenceClassification._model_mapping
        if config.is_encoder_decoder or not (known or "AutoModelForSequenceClassification" in own_code):
            raise ModelError(
                f"model '{resolved.source}' ({config.model_type}): transformers has no class for classifying with its "
                "backbone alone: use `head: linear`."
            )
        return AutoModelForSequenceClassification, {}
    auto = AutoModelForTextEncoding if config.is_encoder_decoder else AutoModel
    mapping = auto._model_mapping
    if type(config) not in mapping:
        if "AutoModel" in own_code:
            return auto, {}
        raise ModelError(f"model '{resolved.source}' ({config.model_type}): transformers has no bare model of it.")
    found = mapping[type(config)]
    one = found[0] if isinstance(found, list | tuple) else found
    takes_pooler = "add_pooling_layer" in inspect.signature(one.__init__).parameters
    return auto, {"add_pooling_layer": False} if takes_pooler else {}


def _own_config(resolved: ResolvedModel, classes: Sequence[str]) -> Any:
    config: Any = copy.deepcopy(resolved.config)
    if resolved.head == "native":
        config.id2label = dict(enumerate(classes))
        config.label2id = {name: number for number, name in enumerate(classes)}
        config.problem_type = "single_label_classification"
    return config


def _load(resolved: ResolvedModel, classes: Sequence[str], dtype: torch.dtype) -> tuple[Any, set[str]]:
    """Return the pre-trained model and the names of the parameters that are new; only a head's may be."""
    auto, extra = _auto_class(resolved)
    native = resolved.head == "native"
    try:
        with _quiet(), _random_state_kept():
            model, report = auto.from_pretrained(
                resolved.path,
                config=_own_config(resolved, classes),
                dtype=dtype,
                trust_remote_code=resolved.trust_remote_code,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                **extra,
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"model '{resolved.source}' cannot be loaded: {error}") from error
    new = set(report["missing_keys"]) | {entry[0] for entry in report["mismatched_keys"]}
    own = tuple(f"{part}." for part in _own_parts(model)) if native else ()
    astray = sorted(name for name in new if not name.startswith(own))
    if astray:
        shown = ", ".join(astray[:5]) + (f" and {len(astray) - 5} more" if len(astray) > 5 else "")
        raise ModelError(
            f"model '{resolved.source}': its weights lack {shown}, or hold them in another shape, so they would start "
            "from random numbers: the files do not belong to this config.json."
        )
    return model, new


def _own_parts(model: Any) -> list[str]:
    """Return the names of the modules that a class for classification adds to its base model."""
    base = model.base_model_prefix
    parts = [name for name, _ in model.named_children()]
    if base not in parts:
        raise ModelError(f"{type(model).__name__} does not keep its base model apart: use `head: linear`.")
    return [part for part in parts if part != base]


def _prepare_native(classifier: TextClassifier) -> None:
    """Let the class pool by our padding id, and let its head compute in float32 on a backbone of any type."""
    model: Any = classifier.backbone
    # Only now: while the model was built, the embedding of this id would have been taken for one without gradient.
    model.config.pad_token_id = classifier.pad_id

    def as_float32(_module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(value.float() if torch.is_tensor(value) else value for value in arguments)

    for part in classifier._head_parts:
        module = model.get_submodule(part).float()
        module.register_forward_pre_hook(as_float32)


def _first_position(backbone: nn.Module) -> int:
    """Return the position of a text's first token: 0, or the row after padding's (RoBERTa and its like)."""
    for name, module in backbone.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            return module.padding_idx + 1
    return 0


def _check_padding(classifier: TextClassifier, ids: Sequence[text.Ids]) -> None:
    """Raise ModelError unless a short text beside a longer one gets what the model itself makes of it alone.

    Some architectures mix padding in (FNet, Nystromformer), or count positions in a way of their own.
    """
    device = next(classifier.parameters()).device
    short, mask = (part.to(device) for part in text.collate(ids[:1], classifier.pad_id, "right"))
    both = [part.to(device) for part in text.collate(ids, classifier.pad_id, "right")]
    with torch.no_grad():
        if classifier.head is None:
            alone, company = classifier.backbone(input_ids=short).logits, classifier(*both)
        else:
            hidden = classifier.backbone(input_ids=short).last_hidden_state
            alone, company = pool(hidden, mask, classifier.pooling), classifier.vectors(*both)
    error = (alone[0].float() - company[0]).norm() / alone[0].float().norm().clamp(min=1e-6)
    exact = next(classifier.backbone.parameters()).dtype == torch.float32
    if not error < (1e-3 if exact else 0.1):
        raise ModelError(
            "this model's vector of a text changes when a longer text stands beside it (padding is mixed in): it cannot "
            "be compared fairly; use another model."
        )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from printing what is checked here: its report of unused weights, its progress bar."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


@contextlib.contextmanager
def _random_state_kept() -> Iterator[None]:
    """Leave torch's random state as it was, on the CPU and any GPU: building a model draws from it."""
    with torch.random.fork_rng():
        yield
