import numpy as np
import pytest
import torch

from tests.conftest import FAMILIES
from tuneoff.models.classifier import build_random, load_classifier
from tuneoff.models.shrink import TOKENS, depth_of, shrink


@pytest.mark.parametrize("family", sorted(FAMILIES.keys() - {"t5", "wide-t5"}))
def test_a_shrunk_model_has_the_same_layers_only_fewer(resolve, family):
    model = resolve(family)
    small = build_random(shrink(model, 1), 2, torch.device("cpu"))
    whole = load_classifier(model, ["a", "b"], device="cpu")
    assert (depth_of(model), depth_of(shrink(model, 1))) == (2, 1)
    shapes = {name: value.shape for name, value in whole.named_parameters()}
    found = {name: value.shape for name, value in small.named_parameters()}
    assert found.items() < shapes.items() and small.packable == whole.packable


def test_special_tokens_stay_within_a_smaller_vocabulary(resolve):
    model = resolve("roberta")
    model.config.vocab_size, model.config.eos_token_id, model.config.pad_token_id = 250_000, 249_999, 1
    small = shrink(model, 2)
    assert (small.config.vocab_size, small.config.eos_token_id, small.config.pad_token_id) == (TOKENS, 0, 1)
    assert model.config.vocab_size == 250_000


def test_the_global_random_state_is_left_alone(resolve):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    build_random(shrink(resolve("bert"), 1), 2, torch.device("cpu"))
    assert torch.equal(before, torch.get_rng_state())
    assert np.random.default_rng(0).random() == pytest.approx(0.6369616873214543)
