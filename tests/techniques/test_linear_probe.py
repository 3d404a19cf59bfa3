import pytest
import torch

from tuneoff.training.build import apply_technique, trainable


@pytest.mark.parametrize("family", ["bert", "qwen3"])
def test_the_head_alone_is_trained(family, applied):
    _, classifier, trained = applied("linear-probe", family)
    assert trained.keys() == {"head.weight"} and tuple(trained["head.weight"].shape) == (3, 32)
    assert classifier.head.bias is None


def test_what_another_technique_left_trainable_is_frozen(load, make_technique):
    classifier = load("bert").requires_grad_(True)
    apply_technique(make_technique("linear-probe"), classifier, 0)
    assert trainable(classifier).keys() == {"head.weight"}


def test_a_classs_own_head_is_trained_whole(native, load, make_technique):
    from tuneoff.models.classifier import init_head, load_classifier

    classifier = load_classifier(native("bert"), ["a", "b"], device="cpu")
    init_head(classifier, 0)
    trained = apply_technique(make_technique("linear-probe"), classifier, 0)
    assert trained.keys() == {"backbone.classifier.weight", "backbone.classifier.bias"}


def test_there_is_no_dropout(applied, batch):
    technique, classifier, _ = applied("linear-probe", "distilbert")
    classifier.train()
    technique.train_mode(classifier)
    assert not any(module.training for module in classifier.modules())
    assert torch.equal(classifier(*batch), classifier(*batch))
