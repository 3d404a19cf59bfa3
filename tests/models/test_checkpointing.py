"""Layers computed twice give what they give computed once, and keep less in between."""

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from tuneoff.models.checkpointing import checkpoint_layers, outermost_layers
from tuneoff.models.classifier import init_head, load_classifier
from tuneoff.techniques import get
from tuneoff.training.build import apply_technique

FAMILIES = ["bert", "electra", "distilbert", "roberta", "xlm-roberta", "qwen3", "gemma3", "llama", "gpt2"]


def passed(resolve, family, technique, *, twice):
    """One forward and backward pass in float64, dropout on: logits, gradients, bytes kept, the next random number."""
    classifier = load_classifier(resolve(family), ["no", "yes"], device="cpu")
    init_head(classifier, 3)
    classifier.double()
    used = get(technique)(get(technique).settings_class())
    trained = apply_technique(used, classifier, 5)
    assert not twice or checkpoint_layers(classifier.backbone)
    used.train_mode(classifier)
    kept = []

    def keep(tensor):
        kept.append(tensor.numel() * tensor.element_size())
        return tensor

    ids = torch.tensor([[4, 5, 6, 7, 8], [9, 8, 7, 6, 5]])
    with torch.random.fork_rng():
        torch.manual_seed(1)
        with saved_tensors_hooks(keep, lambda tensor: tensor):
            logits = classifier(ids, torch.ones_like(ids))
        logits.logsumexp(1).sum().backward()
        following = torch.rand(())
    gradients = {name: value.grad for name, value in trained.items()}
    return logits.detach(), gradients, sum(kept), following


@pytest.mark.parametrize("technique", ["full", "lora"])
@pytest.mark.parametrize("family", FAMILIES)
def test_logits_gradients_and_random_numbers_are_the_same_and_less_is_kept(resolve, family, technique):
    logits, gradients, kept, following = passed(resolve, family, technique, twice=False)
    again, theirs, less, later = passed(resolve, family, technique, twice=True)
    torch.testing.assert_close(again, logits, rtol=1e-12, atol=1e-12)
    assert gradients.keys() == theirs.keys() and torch.equal(following, later)
    for name, gradient in gradients.items():
        if gradient is not None:  # BERT's pooler and its like are not read
            torch.testing.assert_close(theirs[name], gradient, rtol=1e-9, atol=1e-12, msg=name)
    assert less < kept / 2


def test_each_layer_is_wrapped_once_and_nothing_changes_the_second_time(resolve):
    backbone = load_classifier(resolve("bert"), ["no", "yes"], device="cpu").backbone
    names = list(backbone.state_dict())
    assert checkpoint_layers(backbone) and not checkpoint_layers(backbone)
    assert len(outermost_layers(backbone)) == 2 and list(backbone.state_dict()) == names


def test_a_model_without_such_layers_is_told_so():
    assert not checkpoint_layers(torch.nn.Sequential(torch.nn.Linear(2, 2)))


def test_without_gradients_nothing_is_computed_twice(resolve):
    classifier = load_classifier(resolve("bert"), ["no", "yes"], device="cpu")
    checkpoint_layers(classifier.backbone)
    seen = []
    for layer in outermost_layers(classifier.backbone):
        next(layer.children()).register_forward_hook(lambda *_: seen.append(1))
    ids = torch.tensor([[4, 5, 6]])
    with torch.no_grad():
        classifier(ids, torch.ones_like(ids))
    assert len(seen) == 2
    classifier.requires_grad_(True)
    classifier(ids, torch.ones_like(ids)).sum().backward()
    assert len(seen) == 2 + 4
