"""Trained vectors before each text: as inputs (prompts), or as keys and values of every layer (prefixes).

Real tokens alone are pooled: what the backbone gives of virtual ones is cut off before. They take the first positions,
and real tokens those after them, as in peft.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from tuneoff.errors import ModelError
from tuneoff.models import packed_attention
from tuneoff.models.classifier import TextClassifier
from tuneoff.models.compaction import input_embedding
from tuneoff.models.depth import layer_list
from tuneoff.models.families import most_tokens

NAME = "tuneoff_prefix"  # under which transformers' models find attention with a prefix
Virtual = Callable[[], Tensor]


def prepend(classifier: TextClassifier, prompt: nn.Module, virtual: Virtual, count: int) -> None:
    """Let the backbone read `count` virtual tokens, [count, E] by `virtual`, before the embeddings of each text.

    `prompt` holds their parameters and becomes the classifier's `prompt`.
    """
    _add(classifier, prompt, count)
    table = input_embedding(classifier)
    assert table is not None

    def before(_: nn.Module, args: tuple[Any, ...], given: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        real = table(given["input_ids"])
        first = virtual().to(real.dtype).expand(len(real), -1, -1)
        given = _shifted(classifier, given)
        given |= {"input_ids": None, "inputs_embeds": torch.cat([first, real], dim=1)}
        given["attention_mask"] = _with_ones(given["attention_mask"], count)
        if (places := given.get("position_ids")) is not None:
            start = torch.arange(count, device=places.device) + classifier.first_position
            given["position_ids"] = torch.cat([start.expand(len(places), -1), places], dim=1)
        if (segments := given.get("token_type_ids")) is not None:
            given["token_type_ids"] = torch.cat([segments.new_zeros(len(segments), count), segments], dim=1)
        return args, given

    def after(_: nn.Module, __: tuple[Any, ...], output: Any) -> Any:
        output.last_hidden_state = output.last_hidden_state[:, count:]
        return output

    classifier.backbone.register_forward_pre_hook(before, with_kwargs=True)
    classifier.backbone.register_forward_hook(after)


def prefix_attention(classifier: TextClassifier, prefix: nn.Module, virtual: Virtual, count: int) -> None:
    """Let every layer attend to `count` further keys and values, [count, layers * 2 * K * D] by `virtual`.

    Their order is peft's: by layer, keys before values, K heads of D numbers each. They get no rotation by position,
    and no window hides them. Raises ModelError where attention cannot be exchanged.
    """
    config: Any = classifier.backbone.config
    found = layer_list(classifier.backbone)
    if found is None or getattr(config, "_attn_implementation", None) not in ("sdpa", packed_attention.NAME, NAME):
        kind = type(classifier.backbone).__name__
        raise ModelError(
            f"prefix: {kind} computes attention in a way of its own, which takes no further keys: use prompt, or lora."
        )
    _add(classifier, prefix, count)
    depth, (heads, width) = len(found[1]), key_shape(config)
    for number, layer in enumerate(found[1]):
        for module in layer.modules():
            module.__dict__["tuneoff_prefix"] = (number, virtual, (count, depth, 2, heads, width))
    _install()
    config._attn_implementation = NAME
    classifier.backbone.register_forward_pre_hook(
        lambda _, args, given: (args, _shifted(classifier, given)), with_kwargs=True
    )


def own_table(classifier: TextClassifier, technique: str) -> nn.Embedding:
    """Return the table of token embeddings; ModelError, naming the technique, where virtual tokens cannot be used."""
    table = input_embedding(classifier)
    if classifier.head is None:
        raise ModelError(
            f"{technique}: with `head: native` the model pools by itself, and would pool virtual tokens: use "
            "`head: linear`."
        )
    if table is None or "inputs_embeds" not in classifier.accepted:
        kind = type(classifier.backbone).__name__
        raise ModelError(f"{technique}: {kind} takes no embeddings in the place of tokens: use lora.")
    return table


def key_shape(config: Any) -> tuple[int, int]:
    """Return how many heads of keys a layer has, and how wide each is."""
    text = config.get_text_config()
    heads = int(text.num_attention_heads)
    width = getattr(text, "head_dim", None) or int(text.hidden_size) // heads
    return int(getattr(text, "num_key_value_heads", None) or heads), int(width)


def room_for(config: Any, longest: int, count: int) -> bool:
    """Return whether texts of up to so many tokens have positions in a model when virtual ones stand before them."""
    most = most_tokens(config.get_text_config())
    return most is None or longest + count <= most


def longest_text(config: Any, limit: int, count: int) -> int:
    """Return how many tokens of a text a model that reads up to `limit` can take when virtual ones stand before it."""
    most = most_tokens(config.get_text_config())
    return limit if most is None else min(limit, most - count)


def too_long(config: Any, longest: int, count: int) -> str:
    """Return the words for a text that leaves no room for virtual tokens before it."""
    most = most_tokens(config.get_text_config()) or 0
    return (
        f"{count} virtual tokens and a text of {longest} are more than the {most} positions of the model: set the "
        f"model's max_length to {most - count}, or use fewer virtual_tokens."
    )


def _add(classifier: TextClassifier, module: nn.Module, count: int) -> None:
    classifier.prompt = module
    classifier.virtual_tokens = count
    classifier.packable = False  # texts in one row would share one prompt


def _shifted(classifier: TextClassifier, given: dict[str, Any]) -> dict[str, Any]:
    """Return a model's inputs with the positions of real tokens after those of the virtual ones.

    Raises ModelError where there are not so many positions.
    """
    count, longest = classifier.virtual_tokens, given["input_ids"].shape[1]
    if not room_for(classifier.backbone.config, longest, count):
        raise ModelError(too_long(classifier.backbone.config, longest, count))
    places = given.get("position_ids")
    return dict(given) if places is None else {**given, "position_ids": places + count}


def _with_ones(mask: Tensor, count: int) -> Tensor:
    return torch.cat([mask.new_ones(len(mask), count), mask], dim=1)


def _install() -> None:
    """Register attention and mask with transformers, under NAME; done again, it changes nothing."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(NAME, _attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)


def _attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **others: Any
) -> tuple[Tensor, None]:
    """Attend to a layer's virtual keys and values too, else as transformers' SDPA does.

    query [B, H, T, D], key and value [B, K, T, D]; the result is [B, T, H, D].
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    number, virtual, shape = module.__dict__["tuneoff_prefix"]
    own = virtual().view(shape)[:, number].permute(1, 2, 0, 3).to(key.dtype)  # [2, K, P, D]
    mask = _mask(module, query, attention_mask, shape[0], others.pop("is_causal", None))
    if (bias := others.get("position_bias")) is not None:  # of T5: virtual keys have no position
        others["position_bias"] = torch.nn.functional.pad(bias, (shape[0], 0))
    key, value = (
        torch.cat([first.expand(len(key), -1, -1, -1), rest], dim=2)
        for first, rest in zip(own, (key, value), strict=True)
    )
    output: Tensor = sdpa_attention_forward(module, query, key, value, mask, is_causal=False, **others)[0]
    return output, None


def _mask(module: nn.Module, query: Tensor, mask: Tensor | None, count: int, is_causal: bool | None) -> Tensor | None:
    """Return the mask [B or 1, 1, T, P + T] with the virtual keys seen by all; None where everything is seen."""
    causal = bool(getattr(module, "is_causal", True)) if is_causal is None else is_causal
    size = query.shape[2]
    if mask is None:
        if not causal or size == 1:
            return None
        mask = torch.ones(size, size, dtype=torch.bool, device=query.device).tril()[None, None]
    seen = mask.new_ones(()) if mask.dtype == torch.bool else mask.new_zeros(())
    return torch.cat([seen.expand(*mask.shape[:-1], count), mask], dim=-1)
