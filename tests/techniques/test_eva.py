"""EVA: the first factors are the principal components of the layers' inputs, as scikit-learn and peft find them."""

import numpy as np
import pytest
import torch
from peft import LoraConfig
from peft.tuners.lora.config import EvaConfig
from peft.tuners.lora.eva import get_eva_state_dict
from sklearn.decomposition import PCA

from tuneoff.errors import ModelError
from tuneoff.training.build import apply_technique

RANK = 3


@pytest.fixture
def batches():
    """Two padded batches of texts of different lengths."""
    numbers = torch.Generator().manual_seed(1)
    made = []
    for lengths in ((12, 9, 9, 7, 5), (6, 6, 4, 3)):
        mask = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
        ids = torch.randint(5, 20, mask.shape, generator=numbers) * mask
        made.append({"input_ids": ids, "attention_mask": mask.long()})
    return made


def factors(classifier):
    return {
        name.removeprefix("backbone.").partition(".lora_A")[0]: value.detach()
        for name, value in classifier.named_parameters()
        if ".lora_A." in name
    }


@pytest.mark.parametrize("family", ["bert", "qwen3", "gpt2"])
def test_they_are_the_principal_components_over_all_tokens(family, load, make_technique, batches):
    plain, inputs = load(family), {}
    classifier = load(family)
    apply_technique(make_technique("eva", rank=RANK), classifier, 1, batches)
    found = factors(classifier)
    for name in found:
        module = plain.backbone.get_submodule(name)
        module.register_forward_pre_hook(
            lambda _, given, name=name: inputs.setdefault(name, []).append(given[0].detach())
        )
    with torch.no_grad():
        for batch in batches:
            plain(**batch)
    for name, value in found.items():
        rows = [part[batch["attention_mask"].bool()] for part, batch in zip(inputs[name], batches, strict=True)]
        expected = PCA(RANK).fit(torch.cat(rows).double().numpy()).components_
        signs = np.sign((expected * value.numpy()).sum(axis=1, keepdims=True))
        np.testing.assert_allclose(value.numpy(), expected * signs, atol=2e-4)


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_on_one_batch_they_are_pefts(load, make_technique, batches):
    """peft finds them by a randomized decomposition, until they hardly change: it gets one batch again and again."""
    batch = batches[0]
    classifier, plain = load("bert"), load("bert")
    apply_technique(make_technique("eva", rank=RANK), classifier, 1, [batch])
    config = LoraConfig(
        r=RANK, target_modules=["query", "value"], init_lora_weights="eva", eva_config=EvaConfig(rho=1.0)
    )
    theirs = get_eva_state_dict(
        plain.backbone, [batch] * 4, config, forward_fn=lambda model, one: model(**one), show_progress_bar=False
    )
    for name, value in factors(classifier).items():
        overlap = (value * theirs[name].to(value.dtype)).sum(dim=1).abs()
        torch.testing.assert_close(overlap, torch.ones(RANK), rtol=0, atol=0.05)


def test_the_model_starts_as_it_was_and_trains_what_lora_trains(load, make_technique, batches, batch):
    classifier = load("bert")
    before = classifier(*batch)
    trained = apply_technique(make_technique("eva"), classifier, 1, batches)
    assert torch.equal(before, classifier(*batch))
    assert trained.keys() == apply_technique(make_technique("lora"), load("bert"), 1).keys()
    again = apply_technique(make_technique("eva"), load("bert"), 2, batches)
    assert all(torch.equal(value, again[name]) for name, value in trained.items() if name != "head.weight")


def test_no_hooks_stay(load, make_technique, batches):
    classifier = load("bert")
    apply_technique(make_technique("eva"), classifier, 1, batches)
    assert not [module for module in classifier.modules() if module._forward_pre_hooks]


def test_a_rank_above_a_layers_width_is_refused(load, make_technique):
    with pytest.raises(ModelError, match="eva: rank is 33, and a layer takes 32 numbers"):
        apply_technique(make_technique("eva", rank=33), load("bert"), 0)
