"""Inputs: each row once, padded no more than needed, and the same logits whichever way they come."""

import numpy as np
import pytest
import torch

from tuneoff.models.classifier import init_head, load_classifier
from tuneoff.models.text import load_tokenizer, tokenize
from tuneoff.training.inputs import TokenInputs, VectorInputs

TEXTS = ["the cat sat on the mat", "old man", "the dog ran far in rain", "a", "the very old woman reads a book", "cat"]
CPU = torch.device("cpu")


@pytest.fixture
def made(resolve):
    """Return a function from a family and a budget to a classifier, its inputs and its plain token ids."""

    def make(family="bert", budget=16, **options):
        model = resolve(family)
        classifier = load_classifier(model, ["no", "yes"], device="cpu")
        init_head(classifier, 3)
        tokens = tokenize(model, load_tokenizer(model), (TEXTS, TEXTS[::-1]))
        return classifier, TokenInputs({"train": tokens}, budget, CPU, **options), tokens.ids

    return make


@pytest.mark.parametrize("budget", [1, 16, 40, 10_000])
def test_the_parts_hold_each_row_once_within_the_budget(made, budget):
    _, inputs, ids = made(budget=budget)
    rows = np.array([4, 0, 5, 2])
    parts = inputs.parts("train", rows)
    assert sorted(np.concatenate(parts)) == [0, 1, 2, 3]
    for part in parts:
        width = max(len(ids[row]) for row in rows[part])
        assert len(part) == 1 or width * len(part) <= budget
        assert inputs.tokens("train", rows[part]) == (sum(len(ids[row]) for row in rows[part]), width * len(part))


def test_a_batch_that_must_stay_whole_is_one_part(made):
    _, inputs, _ = made(budget=1, as_one=True)
    (part,) = inputs.parts("train", np.array([4, 0, 5]))
    assert part.tolist() == [0, 1, 2]


@pytest.mark.parametrize("family", ["bert", "qwen3", "gpt2"])
def test_logits_of_a_part_are_those_of_each_row_alone(made, family):
    classifier, inputs, ids = made(family)
    rows = np.array([3, 4, 1])
    with torch.no_grad():
        together = inputs.logits(classifier, "train", rows)
        for row, found in zip(rows, together, strict=True):
            alone = torch.from_numpy(ids[row].astype(np.int64))[None]
            torch.testing.assert_close(found, classifier(alone, torch.ones_like(alone))[0], rtol=1e-4, atol=1e-5)
    assert together.dtype == torch.float32 and together.shape == (3, 2)


def test_vectors_computed_once_give_the_same_logits_as_tokens(made):
    classifier, inputs, _ = made()
    every = np.arange(len(TEXTS))
    with torch.no_grad():
        vectors = VectorInputs({"train": inputs.vectors(classifier, "train", every)})
        for rows in (every, np.array([5, 0, 0, 2])):
            first = inputs.logits(classifier, "train", rows)
            torch.testing.assert_close(first, vectors.logits(classifier, "train", rows), rtol=1e-4, atol=1e-5)


def test_a_whole_split_comes_as_padded_batches_each_row_once(made):
    classifier, inputs, ids = made(budget=24)
    batches = list(inputs.batches(classifier, "train"))
    found = [row[mask.bool()].tolist() for one in batches for row, mask in zip(*one.values(), strict=True)]
    assert len(batches) > 1 and sorted(found) == sorted(row.tolist() for row in ids)
    assert all(one["input_ids"].shape == one["attention_mask"].shape for one in batches)


def test_vectors_are_one_part_and_pass_no_tokens(made):
    inputs = VectorInputs({"train": torch.ones(9, 4)})
    (part,) = inputs.parts("train", np.array([8, 1]))
    assert part.tolist() == [0, 1] and inputs.tokens("train", np.array([8, 1])) == (0, 0)
