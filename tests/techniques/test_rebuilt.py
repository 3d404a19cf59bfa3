"""A stage is rebuilt from its settings and what it stored: the same logits, whatever chance has done in between."""

import pytest
import torch
from safetensors.torch import save_file

from tuneoff.techniques import get, names
from tuneoff.techniques.adapter import Adapter, adapters
from tuneoff.techniques.composition import StageSpec
from tuneoff.training.build import Ancestor, build_classifier

ADAPTERS = [name for name in names() if issubclass(get(name), Adapter)]


def spec_of(name, **settings):
    return StageSpec(name, name, get(name).settings_class(**settings), None, 0)


@pytest.mark.parametrize("family", ["bert", "qwen3"])
@pytest.mark.parametrize("name", names())
def test_the_stored_numbers_alone_make_the_same_model(name, family, applied, resolve, batch, tmp_path):
    _, classifier, trained = applied(name, family)
    path = tmp_path / "weights.safetensors"
    save_file({key: value.detach() for key, value in trained.items()}, path)
    torch.manual_seed(1234)  # another state than when the technique was applied
    again = build_classifier(
        resolve(family), ["a", "b", "c"], [Ancestor(spec_of(name), "", path)], torch.device("cpu"), head_seed=9
    )
    with torch.no_grad():
        before, after = classifier(*batch), again(*batch)
    assert (before - after).abs().max() < 1e-5 * before.abs().max()


@pytest.mark.parametrize("name", ADAPTERS)
def test_it_starts_as_the_model_that_it_changes(name, load, make_technique, batch):
    classifier = load("qwen3")
    with torch.no_grad():
        before = classifier(*batch)
        torch.manual_seed(0)
        make_technique(name).apply(classifier)
        after = classifier.eval()(*batch)
    assert (before - after).abs().max() < 1e-5 * before.abs().max()
    assert adapters(classifier)
