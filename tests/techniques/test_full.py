import pytest
import torch


@pytest.mark.parametrize("family", ["bert", "distilbert", "qwen3"])
def test_every_weight_is_trained(family, applied, bare):
    _, classifier, trained = applied("full", family)
    assert trained.keys() == dict(classifier.named_parameters()).keys()
    theirs = {f"backbone.{name}" for name, _ in bare(family).named_parameters() if not name.startswith("pooler.")}
    assert trained.keys() == theirs | {"head.weight"}


def test_all_of_the_models_own_dropout_is_on(applied, batch):
    technique, classifier, _ = applied("full", "distilbert")
    technique.train_mode(classifier)
    assert all(module.training for module in classifier.modules())
    assert not torch.equal(classifier(*batch), classifier(*batch))
