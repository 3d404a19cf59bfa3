"""What is computed for the cache in its tests: vectors and hidden states of two splits."""

import torch

from tuneoff.models.activation_cache import Cost, Features, cached_hidden


def made(asked=None):
    """Vectors of two splits; each call is noted in `asked`."""
    if asked is not None:
        asked.append(1)
    vectors = {
        "train": torch.randn(7, 4, generator=torch.Generator().manual_seed(1)),
        "test": torch.arange(8.0).reshape(4, 2).T,
    }
    return Features(vectors, Cost(0.1 + 0.2, 1e-9, 12.5, 2**40), computed_now=True)


SHAPES = {"train": (5, 4), "test": (2, 4)}


def filled(value=1.0, asked=None):
    """Return what computes hidden states: each row `value`; each call is noted in `asked`."""

    def compute(put):
        if asked is not None:
            asked.append(1)
        for name, (rows, width) in SHAPES.items():
            for row in reversed(range(rows)):
                put(name, row, torch.full((1, width), value))
        return Cost(0.0, 0.5, 2.0, 7)

    return compute


def hidden(key, value=1.0, asked=None, say=lambda _: None):
    return cached_hidden(key, SHAPES, torch.float32, filled(value, asked), say)
