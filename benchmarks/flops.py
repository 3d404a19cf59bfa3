"""Useful floating-point operations of a work, from shapes and lengths alone: what any implementation must compute.

Counted are matrix products on real tokens: 2 operations for each parameter of a matrix and token, and attention's two
products. Embedding tables are looked up, not multiplied, and count nothing. A backward pass adds 2 for the gradients of
activations, down to the lowest trained parameter and no further, and 2 for each trained weight.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Work = Literal["linear-probe", "full", "lora"]
WORKS: tuple[Work, ...] = ("linear-probe", "full", "lora")


@dataclass(frozen=True)
class Shape:
    """Sizes of a transformer with a linear head on one vector a text.

    `windows` has an entry a layer: how many tokens back a token may look, None for all. `query_width` is heads times
    head size, `value_width` the same of keys and values. `feed_forward` counts its matrices: 2, or 3 with a gate.
    """

    hidden: int
    query_width: int
    value_width: int
    inner: int
    feed_forward: int
    windows: tuple[int | None, ...]
    causal: bool
    classes: int

    @property
    def below_attention(self) -> int:
        """Parameters of a layer's query, key and value projections."""
        return self.hidden * (self.query_width + 2 * self.value_width)

    @property
    def above_attention(self) -> int:
        """Parameters of a layer's output projection and feed-forward part."""
        return self.query_width * self.hidden + self.feed_forward * self.hidden * self.inner

    @property
    def layer(self) -> int:
        """Parameters of a layer that are used in matrix products."""
        return self.below_attention + self.above_attention

    @property
    def head(self) -> int:
        """Parameters of the head."""
        return self.hidden * self.classes


@dataclass(frozen=True)
class Flops:
    """Operations of a forward pass, and of what training adds to it."""

    forward: int
    backward: int

    @property
    def step(self) -> int:
        """Operations of a training step."""
        return self.forward + self.backward


ENCODERS = ("bert", "roberta", "xlm-roberta")
DECODERS = ("llama", "qwen3", "gemma3_text")


def shape_of(config: Any, classes: int) -> Shape:
    """Return the sizes that a transformers config describes; raises ValueError for an unknown family."""
    if config.model_type not in ENCODERS + DECODERS:
        raise ValueError(f"the layers of '{config.model_type}' are not known here: add it to benchmarks/flops.py")
    decoder = config.model_type in DECODERS
    heads = config.num_attention_heads
    head_size = getattr(config, "head_dim", None) or config.hidden_size // heads
    value_heads = (getattr(config, "num_key_value_heads", None) or heads) if decoder else heads
    kinds = getattr(config, "layer_types", None) or ["full_attention"] * config.num_hidden_layers
    return Shape(
        hidden=config.hidden_size,
        query_width=heads * head_size,
        value_width=value_heads * head_size,
        inner=config.intermediate_size,
        feed_forward=3 if decoder else 2,
        windows=tuple(config.sliding_window if kind == "sliding_attention" else None for kind in kinds),
        causal=decoder,
        classes=classes,
    )


def attended_pairs(lengths: Sequence[int], causal: bool, window: int | None) -> int:
    """Return how many pairs of tokens attention must compare in texts of these lengths."""
    if not causal:
        return sum(length * length for length in lengths)
    reach = [length if window is None else min(window, length) for length in lengths]
    return sum(near * (near + 1) // 2 + (length - near) * near for length, near in zip(lengths, reach, strict=True))


def adapter(shape: Shape, rank: int) -> tuple[int, int]:
    """Return the parameters of a layer's query and value adapters: those that widen again, and all."""
    up = rank * (shape.query_width + shape.value_width)
    return up, up + 2 * rank * shape.hidden


def count(shape: Shape, lengths: Sequence[int], work: Work, rank: int = 0) -> Flops:
    """Return the operations of texts of these lengths in a work; `rank` is LoRA's, on queries and values.

    The linear probe's backward pass is that of the head's weights. LoRA's goes down to the adapters of the first layer,
    whose keys need no gradient, nor does anything below.
    """
    tokens, texts = sum(lengths), len(lengths)
    up, whole = adapter(shape, rank) if work == "lora" else (0, 0)
    forward = 2 * shape.head * texts
    backward = 2 * shape.head * texts  # the head's weights
    if work != "linear-probe":
        backward += 2 * shape.head * texts  # and what is below it
    for place, window in enumerate(shape.windows):
        product = 2 * attended_pairs(lengths, shape.causal, window) * shape.query_width
        forward += 2 * (shape.layer + whole) * tokens + 2 * product
        if work == "full":
            backward += 4 * shape.layer * tokens + 4 * product
        elif work == "lora" and place > 0:
            backward += 2 * (shape.layer + 2 * whole) * tokens + 4 * product
        elif work == "lora":
            backward += 2 * (shape.above_attention + whole + up) * tokens + 3 * product
    return Flops(forward, backward)
