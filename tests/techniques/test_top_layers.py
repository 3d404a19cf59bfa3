"""Top layers: what is trained in which family, where dropout is on, and what it refuses."""

import pytest
import torch

from tuneoff.errors import ModelError

TOP = {
    "bert": ["backbone.encoder.layer.1."],
    "roberta": ["backbone.encoder.layer.1."],
    "distilbert": ["backbone.transformer.layer.1."],
    "qwen3": ["backbone.layers.1.", "backbone.norm."],
    "gemma3": ["backbone.layers.1.", "backbone.norm."],
    "llama": ["backbone.layers.1.", "backbone.norm."],
    "gpt2": ["backbone.h.1.", "backbone.ln_f."],
}


@pytest.mark.parametrize("family", TOP)
def test_the_last_layers_the_norm_after_them_and_the_head_are_trained(family, applied):
    _, classifier, trained = applied("top-layers", family, layers=1)
    names = [name for name, _ in classifier.named_parameters()]
    assert list(trained) == [name for name in names if name.startswith((*TOP[family], "head."))]
    _, _, both = applied("top-layers", family)
    below = [name for name in names if name.startswith(TOP[family][0].replace("1.", "0."))]
    assert below and both.keys() == trained.keys() | set(below)


def test_dropout_is_on_in_the_trained_layers_alone(applied):
    technique, classifier, _ = applied("top-layers", "bert", layers=1)
    technique.train_mode(classifier)
    on = {name for name, module in classifier.named_modules() if module.training}
    assert on and all(f"{name}.".startswith(TOP["bert"][0]) for name in on)
    assert any(isinstance(classifier.get_submodule(name), torch.nn.Dropout) for name in on)


def test_more_layers_than_there_are_is_an_error_that_says_so(applied):
    with pytest.raises(ModelError, match="top-layers: layers is 3, but the model has 2"):
        applied("top-layers", "bert", layers=3)
