"""The same architecture with fewer layers and tokens: what a layer costs can be measured on a few of them."""

import copy
from dataclasses import replace
from typing import Any

from tuneoff.models.resolve import ResolvedModel

TOKENS = 4096
_SPECIAL = ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id", "mask_token_id")


def depth_of(model: ResolvedModel) -> int:
    """Return how many layers a model has by its config; 1 where the config does not say."""
    config: Any = model.config
    return int(getattr(config.get_text_config(), "num_hidden_layers", 1))


def shrink(model: ResolvedModel, layers: int) -> ResolvedModel:
    """Return a model of the same shape with its first `layers` layers and at most TOKENS tokens, without weights.

    What its config lists layer by layer (kinds of attention, and the like) is cut to the first ones.
    """
    config: Any = copy.deepcopy(model.config)
    text: Any = config.get_text_config()
    depth = depth_of(model)
    for name, value in list(vars(text).items()):
        if isinstance(value, list) and len(value) == depth:
            setattr(text, name, value[:layers])
    text.num_hidden_layers = layers
    text.vocab_size = min(int(text.vocab_size), TOKENS)
    for name in _SPECIAL:
        if isinstance(getattr(text, name, None), int) and getattr(text, name) >= text.vocab_size:
            setattr(text, name, 0)
    return replace(model, config=config, path=None)
