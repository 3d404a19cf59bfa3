"""A pre-trained model out of transformers: which class, and that each weight is really loaded."""

import contextlib
import copy
import inspect
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from tuneoff.errors import ModelError
from tuneoff.models import quantised, weights
from tuneoff.models.adapters import merged_weights
from tuneoff.models.paging import page_out_files, trim_heap
from tuneoff.models.resolve import ResolvedModel

# What peft warns of and nobody can act on: an attribute of transformers by its former name, the head of a model for
# other labels (which is told by whoever loads it), sizes of norms that LN-tuning does not use, how BOFT gets faster.
PEFT_WARNS = (
    ".is_gradient_checkpointing. is deprecated",
    "Some weights of Peft",
    "Unsupported layer type",
    "Failed to load the CUDA extension",
    "Setting boft_n_butterfly_factor",
)


def auto_class(resolved: ResolvedModel) -> tuple[Any, dict[str, Any]]:
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
    one: Any = found[0] if isinstance(found, list | tuple) else found
    takes_pooler = "add_pooling_layer" in inspect.signature(one).parameters
    return auto, {"add_pooling_layer": False} if takes_pooler else {}


def own_config(resolved: ResolvedModel, classes: Sequence[str]) -> Any:
    """Return a copy of the model's config, with the names of the classes where a native head is sized by them."""
    config: Any = copy.deepcopy(resolved.config)
    if resolved.head == "native":
        config.id2label = dict(enumerate(classes))
        config.label2id = {name: number for number, name in enumerate(classes)}
        config.problem_type = "single_label_classification"
    return config


def from_config(auto: Any, config: Any, resolved: ResolvedModel, **extra: Any) -> Any:
    """Return a model made from its config alone, in float32; ModelError where transformers cannot make one of it."""
    try:
        return auto.from_config(config, dtype=torch.float32, trust_remote_code=resolved.trust_remote_code, **extra)
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError, ZeroDivisionError) as error:
        raise ModelError(
            f"model '{resolved.source}': transformers can make no model of its config.json "
            f"({type(error).__name__}: {error}): copy the file again, or correct it."
        ) from error


def load_backbone(resolved: ResolvedModel, classes: Sequence[str], dtype: torch.dtype) -> tuple[Any, set[str]]:
    """Return the pre-trained model and the names of the parameters that are new; only a head's may be."""
    auto, extra = auto_class(resolved)
    native = resolved.head == "native"
    if resolved.load:  # read onto the CPU, and quantised there tensor by tensor
        extra = {
            **extra,
            "quantization_config": quantised.settings(head_modules(resolved, classes)),
            "device_map": {"": "cpu"},
        }
    try:
        with quiet(), random_state_kept():
            model, report = auto.from_pretrained(
                resolved.path,
                config=own_config(resolved, classes),
                dtype=dtype,
                trust_remote_code=resolved.trust_remote_code,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
                **extra,
            )
    except (OSError, ValueError, RuntimeError, SafetensorError, ImportError) as error:
        raise ModelError(f"model '{resolved.source}' cannot be loaded: {error}") from error
    if resolved.load and resolved.path:
        quantised.settle(model)
        page_out_files(weights.weight_files(resolved.path, resolved.source))
        trim_heap()  # packing takes several times a weight's memory for a moment
    new = set(report["missing_keys"]) | {entry[0] for entry in report["mismatched_keys"]}
    base = f"{model.base_model_prefix}."
    astray = sorted(name for name in new if not native or name.startswith(base))
    if astray:
        shown = ", ".join(astray[:5]) + (f" and {len(astray) - 5} more" if len(astray) > 5 else "")
        raise ModelError(
            f"model '{resolved.source}': its weights lack {shown}, or hold them in another shape, so they would start "
            "from random numbers: the files do not belong to this config.json."
        )
    if resolved.adapter is not None:
        new -= _merge_adapter(model, resolved, classes, dtype)
    return model, new


def _merge_adapter(model: Any, resolved: ResolvedModel, classes: Sequence[str], dtype: torch.dtype) -> set[str]:
    """Give a model the weights of its base with the adapter merged; returns the parameters of a native head that came.

    Raises ModelError where they do not fit.
    """
    assert resolved.adapter is not None
    with quiet(), random_state_kept():
        base, head = merged_weights(resolved.adapter, resolved.source, classes, dtype)
    native = resolved.head == "native"
    inner = getattr(model, model.base_model_prefix) if native else model
    odd = [name for name, value in inner.state_dict().items() if name not in base or base[name].shape != value.shape]
    if odd:
        raise ModelError(f"model '{resolved.source}': its adapter, merged, gives no {odd[0]}: use a merged model.")
    inner.load_state_dict(base, strict=False)
    if not native:
        return set()
    own = model.state_dict()
    fit = {name: value for name, value in head.items() if name in own and own[name].shape == value.shape}
    model.load_state_dict(fit, strict=False)
    return set(fit)


def numbered(n_classes: int) -> list[str]:
    """Return names of so many classes, where only their number matters."""
    return [str(number) for number in range(n_classes)]


def head_modules(resolved: ResolvedModel, classes: Sequence[str]) -> list[str]:
    """Return the names of what a class for classification adds to its base model; none with a linear head of ours.

    Raises ModelError where the model is to be loaded in 4 bits and has layers that cannot be.
    """
    auto, extra = auto_class(resolved)
    with torch.device("meta"), quiet(), random_state_kept():
        model = from_config(auto, own_config(resolved, classes), resolved, **extra)
    own = own_modules(model) if resolved.head == "native" else []
    names = [name for name, module in model.named_children() if any(module is one for one in own)]
    if resolved.load:
        quantised.check_layers(quantised.to_quantise(model, names), resolved.source)
    return names


def own_modules(model: Any) -> list[nn.Module]:
    """Return the modules with parameters that a class for classification adds to its base model."""
    parts = dict(model.named_children())
    if parts.pop(model.base_model_prefix, None) is None:
        raise ModelError(f"{type(model).__name__} does not keep its base model apart: use `head: linear`.")
    return [part for part in parts.values() if next(part.parameters(), None) is not None]


def first_position(backbone: nn.Module) -> int:
    """Return the position of a text's first token: 0, or the row after padding's (RoBERTa and its like)."""
    for name, module in backbone.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, nn.Embedding) and module.padding_idx is not None:
            return module.padding_idx + 1
    return 0


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from printing what is checked here: its report of unused weights, its progress bar."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # transformers leaves it so
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # transformers leaves it so
    try:
        with warnings.catch_warnings():
            for told in PEFT_WARNS:
                warnings.filterwarnings("ignore", message=told)
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]  # transformers leaves it so


@contextlib.contextmanager
def random_state_kept() -> Iterator[None]:
    """Leave torch's random state as it was: building a model draws from it, on the CPU, where models are built."""
    with torch.random.fork_rng(devices=[]):
        yield
