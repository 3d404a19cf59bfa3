"""Attention over packed texts: each token attends to its own text alone, and nothing is computed for the others."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

from tuneoff.models.dropout import light_mask

NAME = "tuneoff_packed"  # under which transformers' models find it

_packing: ContextVar[bool] = ContextVar("packing", default=False)
#: What models pass to attention that changes nothing here.
_HARMLESS = {"position_ids", "use_cache", "output_attentions", "layer_idx", "cache_position", "output_hidden_states"}


@contextmanager
def packing() -> Iterator[None]:
    """Tell the mask function that a packed row is computed, which needs no mask."""
    token = _packing.set(True)
    try:
        yield
    finally:
        _packing.reset(token)


def install() -> None:
    """Register attention and mask with transformers, under NAME; done again, it changes nothing."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    def mask(*arguments: Any, **named: Any) -> Any:
        return None if _packing.get() else sdpa_mask(*arguments, **named)

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, mask)


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    sliding_window: int | None = None,
    is_causal: bool | None = None,
    packed_lengths: Sequence[int] | None = None,
    **others: Any,
) -> tuple[Tensor, None]:
    """Attend within each text of a packed row; without `packed_lengths`, as transformers' SDPA does.

    query [1, H, N, D], key and value [1, K, N, D] (H a multiple of K); the result is [1, N, H, D]. Raises
    NotImplementedError for what a packed row cannot be given.
    """
    if packed_lengths is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        named = {"dropout": dropout, "scaling": scaling, "is_causal": is_causal, "sliding_window": sliding_window}
        output: Tensor = sdpa_attention_forward(module, query, key, value, attention_mask, **named, **others)[0]  # type: ignore[arg-type]
        return output, None
    causal = bool(getattr(module, "is_causal", True)) if is_causal is None else is_causal
    unknown = sorted(name for name, given in others.items() if given is not None and name not in _HARMLESS)
    if attention_mask is not None or unknown or query.shape[0] != 1 or (sliding_window and not causal):
        raise NotImplementedError(f"packed attention does not know {unknown or 'this mask'}")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    mask = _causal_mask(max(packed_lengths), sliding_window, query) if causal else None
    output = _PackedAttention.apply(  # type: ignore[no-untyped-call]  # torch leaves it so
        query[0], key[0], value[0], tuple(packed_lengths), scale, dropout, mask
    )
    return output[None], None


def _causal_mask(longest: int, window: int | None, like: Tensor) -> Tensor:
    """Return what to add to the scores [T, T] of the longest text: -inf after a token, and before its window."""
    place = torch.arange(longest, device=like.device)
    distance = place[:, None] - place
    hidden = (distance < 0) | (distance >= (window or longest))
    return torch.zeros(longest, longest, dtype=like.dtype, device=like.device).masked_fill_(hidden, float("-inf"))


class _PackedAttention(torch.autograd.Function):
    """Scaled dot-product attention, text by text, with the gradients written out.

    A text's scores for all heads are one batched product; a loop over texts costs less on a CPU than padding them to
    one length, and less than torch's fused kernel, which takes no dropout. Heads that share keys and values are
    computed as one head with as many more queries.
    """

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        lengths: tuple[int, ...],
        scale: float,
        dropout: float,
        mask: Tensor | None,
    ) -> Tensor:
        heads, total = query.shape[:2]
        output = query.new_empty(total, heads, value.shape[2])
        weights = query.new_empty(sum(heads * length * length for length in lengths))
        for first, last, scores in _texts(weights, lengths, key.shape[0], heads):
            queries = _grouped(query[:, first:last], key.shape[0])
            if mask is None:
                torch.baddbmm(scores, queries, key[:, first:last].mT, beta=0, alpha=scale, out=scores)
            else:
                seen = mask[: last - first, : last - first].repeat(heads // key.shape[0], 1)
                scores.copy_(torch.baddbmm(seen, queries, key[:, first:last].mT, alpha=scale))
            torch.softmax(scores, -1, out=scores)
        kept, factor, used = None, 1.0, weights
        if dropout > 0:
            kept, factor = light_mask(weights.shape, dropout)
            used = kept.to(weights.dtype).mul_(weights)
        for first, last, scores in _texts(used, lengths, key.shape[0], heads):
            output[first:last].transpose(0, 1).copy_(_ungrouped(torch.bmm(scores, value[:, first:last]), heads))
        if dropout > 0:
            output.mul_(factor)
        ctx.save_for_backward(query, key, value, weights, kept)
        ctx.lengths, ctx.scale, ctx.factor = lengths, scale, factor
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, weights, kept = ctx.saved_tensors
        (gradient,) = gradients
        heads, groups, lengths = query.shape[0], key.shape[0], ctx.lengths
        d_query, d_key, d_value = (_by_token(one) for one in (query, key, value))
        dropped = None if kept is None else kept.to(weights.dtype)
        used = weights if dropped is None else dropped * weights
        d_weights = torch.empty_like(weights)
        parts = zip(
            _texts(weights, lengths, groups, heads),
            _texts(used, lengths, groups, heads),
            _texts(d_weights, lengths, groups, heads),
            [None] * len(lengths) if dropped is None else _texts(dropped, lengths, groups, heads),
            strict=True,
        )
        for (first, last, probabilities), (_, _, scores), (_, _, d_scores), mask in parts:
            incoming = _grouped(gradient[first:last].transpose(0, 1), groups)
            d_value[:, first:last].copy_(torch.bmm(scores.mT, incoming))
            torch.bmm(incoming, value[:, first:last].mT, out=d_scores)
            if mask is not None:
                d_scores.mul_(mask[2])
            d_scores = torch._softmax_backward_data(d_scores, probabilities, -1, probabilities.dtype)
            d_query[:, first:last].copy_(_ungrouped(torch.bmm(d_scores, key[:, first:last]), heads))
            d_key[:, first:last].copy_(torch.bmm(d_scores.mT, _grouped(query[:, first:last], groups)))
        d_query.mul_(ctx.scale * ctx.factor)
        d_key.mul_(ctx.scale * ctx.factor)
        if ctx.factor != 1:
            d_value.mul_(ctx.factor)
        return d_query, d_key, d_value, None, None, None, None


def _texts(flat: Tensor, lengths: Sequence[int], groups: int, heads: int) -> Iterator[tuple[int, int, Tensor]]:
    """Yield of each text its first token, the one after its last, and its scores [K, H / K * T, T] in a flat store."""
    first = place = 0
    for length in lengths:
        size = heads * length * length
        yield first, first + length, flat[place : place + size].view(groups, heads // groups * length, length)
        first, place = first + length, place + size


def _grouped(values: Tensor, groups: int) -> Tensor:
    """Return [H, T, D] as [K, H / K * T, D]: heads that share keys and values follow each other."""
    heads, length, width = values.shape
    return values if heads == groups else values.reshape(groups, heads // groups * length, width)


def _ungrouped(values: Tensor, heads: int) -> Tensor:
    """Return [K, H / K * T, D] as [H, T, D]."""
    groups, rows, width = values.shape
    return values if heads == groups else values.reshape(heads, rows * groups // heads, width)


def _by_token(values: Tensor) -> Tensor:
    """Return an empty tensor of a shape [H, N, D] whose memory goes by token, as the layer before wants it."""
    heads, total, width = values.shape
    return values.new_empty(total, heads, width).transpose(0, 1)
