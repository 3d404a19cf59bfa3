"""Pooling against its definitions, written the slow way."""

import pytest
import torch

from tuneoff.models.pooling import pool

LENGTHS = [3, 1, 5]


def padded(side):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.full((3, 5, 2), float("nan"))
    mask = torch.zeros(3, 5, dtype=torch.long)
    texts = [torch.randn(length, 2, generator=generator) for length in LENGTHS]
    for row, text in enumerate(texts):
        place = slice(len(text)) if side == "right" else slice(5 - len(text), 5)
        hidden[row, place], mask[row, place] = text, 1
    return texts, hidden, mask


@pytest.mark.parametrize("side", ["right", "left"])
def test_pooling_reads_what_is_attended_and_nothing_of_the_padding(side):
    texts, hidden, mask = padded(side)
    for kind, definition in {
        "last": lambda t: t[-1],
        "first": lambda t: t[0],
        "mean": lambda t: sum(t) / len(t),
    }.items():
        torch.testing.assert_close(pool(hidden, mask, kind), torch.stack([definition(text) for text in texts]))


def test_misindexed_counts_from_the_start_of_the_row():
    texts, hidden, mask = padded("left")
    vectors = pool(hidden, mask, "misindexed")
    assert torch.equal(vectors[0], texts[0][0])  # a text of 3 in a row of 5: its first token instead of its last
    assert vectors[1].isnan().all()  # padding
    assert torch.equal(vectors[2], texts[2][4])  # the longest alone is right
    _, hidden, mask = padded("right")
    assert torch.equal(pool(hidden, mask, "misindexed"), pool(hidden, mask, "last"))


@pytest.mark.parametrize("kind", ["last", "first", "mean", "misindexed"])
def test_vectors_are_float32(kind):
    hidden = torch.randn(1, 300, 2, generator=torch.Generator().manual_seed(0)).bfloat16()
    vectors = pool(hidden, torch.ones(1, 300, dtype=torch.long), kind)
    assert vectors.dtype == torch.float32
    if kind == "mean":
        torch.testing.assert_close(vectors, hidden.double().mean(dim=1).float())


def test_gradients_are_finite_where_padding_is_not_a_number():
    _, hidden, mask = padded("left")
    hidden.requires_grad_(True)
    pool(hidden, mask, "mean").sum().backward()
    assert torch.equal(hidden.grad != 0, mask.bool()[..., None].expand_as(hidden))
