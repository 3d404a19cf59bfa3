"""What is known about architectures: decoder or encoder, default pooling, prefix, positions, LoRA's targets.

Everything here is read from names and configs; torch is imported only where a model's layers have to be listed.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneoff.errors import ModelError
from tuneoff.models.weights import read_json
from tuneoff.study import Pooling

if TYPE_CHECKING:
    from torch import nn
    from transformers import PretrainedConfig

# Position 0 is the first row after the padding row in these, so that many rows are no positions (fairseq's habit).
POSITIONS_AFTER_PADDING = {
    "camembert",
    "data2vec-text",
    "esm",
    "ibert",
    "longformer",
    "luke",
    "mpnet",
    "roberta",
    "roberta-prelayernorm",
    "xlm-roberta",
    "xlm-roberta-xl",
    "xmod",
}

POOLING_FILE = "1_Pooling/config.json"
# The keys of sentence-transformers' 1_Pooling/config.json (older files) and its values of `pooling_mode` (newer).
_SENTENCE_POOLINGS: dict[str, Pooling] = {"cls": "first", "cls_token": "first", "mean": "mean", "mean_tokens": "mean"}
_SENTENCE_POOLINGS |= {"lasttoken": "last", "last_token": "last"}

# Query and value projections by the architectures' own names, then projections fused with them, in order of search.
_QUERY_VALUE = (
    ("q_proj", "v_proj"),
    ("query", "value"),
    ("q_lin", "v_lin"),
    ("query_proj", "value_proj"),
    ("q_head", "v_head"),
    ("q", "v"),
)
_FUSED = ("query_key_value", "qkv_proj", "c_attn", "Wqkv", "qkv", "att_proj", "in_proj")


def is_decoder(config: "PretrainedConfig") -> bool:
    """Return whether a model reads from left to right: it is known as a causal language model, not as a masked one."""
    from transformers.models.auto import modeling_auto as auto

    known = config.model_type in auto.MODEL_MAPPING_NAMES
    if known:
        causal, masked = auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
        return config.model_type in causal and config.model_type not in masked
    own_code = getattr(config, "auto_map", None) or {}
    return "AutoModelForCausalLM" in own_code and "AutoModelForMaskedLM" not in own_code


def default_pooling(decoder: bool, folder: Path | None, source: str) -> Pooling:
    """Return how the model was trained to be pooled: as its sentence-transformers folder says, else by architecture.

    Raises ModelError if the folder asks for a pooling that there is not here. `source` names the model in messages.
    """
    settings = read_json(folder, POOLING_FILE, source) if folder else None
    if settings is None:
        return "last" if decoder else "mean"
    mode = settings.get("pooling_mode")
    prefix = "pooling_mode_"
    asked = (
        [str(mode)]
        if mode
        else [key.removeprefix(prefix) for key, on in settings.items() if prefix in key and on is True]
    )
    found = [_SENTENCE_POOLINGS[name] for name in asked if name in _SENTENCE_POOLINGS]
    if len(asked) != 1 or not found:
        raise ModelError(
            f"model '{source}': {POOLING_FILE} asks for {' and '.join(map(str, asked)) or 'no pooling'}, which is not "
            "offered: set `pooling` to last, mean or first."
        )
    return found[0]


def default_prefix(names: Iterable[str]) -> str:
    """Return the text that a model of one of these names was trained to find before each text.

    The e5 family wants `query: `; its instruct and mistral variants want an instruction instead, which is the task's
    to give.
    """
    for name in names:
        words = re.split(r"[^a-z0-9]+", name.lower())
        if "e5" in words and not {"instruct", "mistral"} & set(words):
            return "query: "
    return ""


def most_tokens(config: "PretrainedConfig") -> int | None:
    """Return how many tokens the model has positions for; None if its config sets no limit."""
    limit = getattr(config, "max_position_embeddings", None)
    if not isinstance(limit, int) or limit <= 0:
        return None
    reserved = (config.pad_token_id or 0) + 1 if config.model_type in POSITIONS_AFTER_PADDING else 0
    return limit - reserved


def lora_targets(model: "nn.Module | PretrainedConfig") -> list[str]:
    """Return the names of the query and value projections (or of the fused layer), for LoRA's `target_modules`.

    `model` is a backbone, or a config, from which its layers are listed on the meta device. peft's table is asked
    first; its entry is taken only if it names queries and values and nothing else, and if these layers are there.
    Raises ModelError with the names of all linear layers if none of the known names occurs.
    """
    from torch import nn

    config: Any = getattr(model, "config", model)
    names = linear_names(model if isinstance(model, nn.Module) else _on_meta(config))
    for targets in (_peft_targets(config.model_type), *map(list, _QUERY_VALUE), *([name] for name in _FUSED)):
        if targets and set(targets) <= set(names):
            return targets
    raise ModelError(
        f"LoRA's default targets are the query and value projections, and which layers these are in a "
        f"'{config.model_type}' model is not known: set `target_modules` to some of its linear layers: "
        + ", ".join(names)
    )


def linear_names(model: "nn.Module") -> list[str]:
    """Return the distinct last names of a model's linear layers (GPT-2's Conv1D is one), sorted."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    layers = (name for name, module in model.named_modules() if isinstance(module, nn.Linear | Conv1D))
    return sorted({name.rpartition(".")[2] for name in layers})


def _peft_targets(model_type: str) -> list[str] | None:
    """Return peft's entry where it means what ours means.

    Some hold more (phi: the MLP too), others (rwkv: keys, values, receptances; gemma4: a pattern).
    """
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as TABLE

    entry = TABLE.get(model_type)
    if not isinstance(entry, list):
        return None
    query_value = any(sorted(entry) == sorted(pair) for pair in _QUERY_VALUE)
    fused = len(entry) == 1 and entry[0] in _FUSED
    return list(entry) if query_value or fused else None


def _on_meta(config: "PretrainedConfig") -> "nn.Module":
    import torch
    from transformers import AutoModel

    with torch.device("meta"):
        model: nn.Module = AutoModel.from_config(config)  # type: ignore[no-untyped-call]  # transformers leaves it so
        return model
