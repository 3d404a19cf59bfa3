"""What holds for every technique on every family; the list comes from the registry."""

import pytest
import torch

from tuneoff.models.classifier import build_meta
from tuneoff.techniques import get, names
from tuneoff.training.build import apply_technique, trainable

FAMILIES = ["bert", "roberta", "distilbert", "qwen3", "gemma3", "llama", "gpt2"]
EVERY = [pytest.param(name, family, id=f"{name}-{family}") for name in names() for family in FAMILIES]
CHAINING = [name for name in names() if get(name).ends_a_chain is None]


@pytest.mark.parametrize(("name", "family"), EVERY)
def test_it_trains_the_same_on_the_meta_device_as_for_real(name, family, load, make_technique, resolve):
    meta, real = build_meta(resolve(family), 3), load(family)
    shapes = [
        {key: tuple(value.shape) for key, value in apply_technique(make_technique(name), classifier, 0).items()}
        for classifier in (meta, real)
    ]
    assert shapes[0] == shapes[1] and shapes[0]
    assert [key for key, _ in meta.named_parameters()] == [key for key, _ in real.named_parameters()]
    assert {value.device.type for value in meta.parameters()} == {"meta"}


@pytest.mark.parametrize(("name", "family"), EVERY)
def test_gradients_reach_all_that_is_trained_and_nothing_else(name, family, applied, batch):
    technique, classifier, trained = applied(name, family)
    if technique.gradient_free:
        return  # fitted, not trained
    technique.train_mode(classifier)
    technique.loss(classifier(*batch), torch.tensor([0, 1, 2])).sum().backward()
    reached = {key for key, value in classifier.named_parameters() if value.grad is not None}
    assert reached == trained.keys() == trainable(classifier).keys()


@pytest.mark.parametrize(("name", "family"), EVERY)
def test_dropout_is_off_in_every_part_that_is_frozen(name, family, applied):
    technique, classifier, _ = applied(name, family)
    technique.train_mode(classifier)
    for path, module in classifier.named_modules():
        if isinstance(module, torch.nn.Dropout) and module.training:
            around = classifier.get_submodule(path.rpartition(".")[0])
            assert any(value.requires_grad for value in around.parameters()) or not list(around.parameters()), path


@pytest.mark.parametrize("name", names())
def test_the_same_seed_starts_with_the_same_numbers_and_random_state_is_left_alone(name, load, make_technique):
    before = torch.get_rng_state()
    first, second = (apply_technique(make_technique(name), load("bert"), 4) for _ in range(2))
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(("name", "family"), [(name, family) for name in CHAINING for family in FAMILIES])
def test_merging_keeps_the_logits_and_gives_the_plain_model_back(name, family, load, applied, batch):
    technique, classifier, _ = applied(name, family)
    plain = dict(load(family).named_parameters())
    with torch.no_grad():
        before = classifier(*batch)
        technique.merge(classifier)
        after = classifier(*batch)
    assert (before - after).abs().max() < 1e-5 * before.abs().max()
    found = dict(classifier.named_parameters())
    assert found.keys() == plain.keys()
    assert all(found[key].shape == value.shape and found[key].dtype == value.dtype for key, value in plain.items())
    assert not [type(module) for module in classifier.modules() if "peft" in type(module).__module__]


@pytest.mark.parametrize("name", CHAINING)
@pytest.mark.parametrize("last", names())
def test_every_technique_can_follow_it(name, last, applied, make_technique, load, batch):
    technique, classifier, _ = applied(name, "bert")
    technique.merge(classifier)
    classifier.requires_grad_(False)
    after = apply_technique(make_technique(last), classifier, 5)
    alone = apply_technique(make_technique(last), load("bert"), 5)
    assert after.keys() == alone.keys()
