"""The untrained model's cosines, against transformers read by hand."""

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from tuneoff.running import prepare
from tuneoff.training.untouched import pair_cosines

TEXTS = (["the cat sat", "old man", "the cat sat"], ["a dog ran far in rain", "old man", "on mat"])


@pytest.mark.parametrize("micro_tokens", [8, 1500])
def test_cosines_are_those_of_texts_read_alone(study, listener, model_folder, micro_tokens):
    place = next(iter(prepare(study(micro_tokens=micro_tokens), listener()).places.values()))
    model, tokenizer = (
        AutoModel.from_pretrained(model_folder("bert")),
        AutoTokenizer.from_pretrained(model_folder("bert")),
    )
    expected = []
    for pair in zip(*TEXTS, strict=True):
        with torch.no_grad():
            states = [model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0] for text in pair]
        one, other = (state.mean(dim=0).double().numpy() for state in states)  # BERT is pooled by the mean
        expected.append(one @ other / np.sqrt(one @ one * (other @ other)))
    found = pair_cosines(place, TEXTS)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found[1] == pytest.approx(1.0)


def test_a_model_without_vectors_says_why(study, listener):
    place = next(iter(prepare(study(model={"pooling": "misindexed"}), listener()).places.values()))
    assert pair_cosines(place, TEXTS) == "a text has no vector of its own with this head or pooling"
