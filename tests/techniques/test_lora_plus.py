"""LoRA+: the second factors learn faster; one step of peft's own optimizer gives the same weights."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.optimizers import create_loraplus_optimizer

from tuneoff.techniques.base import Optimization
from tuneoff.training.build import apply_technique

HOW = Optimization(1e-3, "constant", 0.0, 0.0, "off")


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")  # peft asks for it
def test_its_steps_are_those_of_pefts_own_optimizer(load, make_technique, bare):
    classifier, technique = load("bert"), make_technique("lora-plus", ratio=8.0, dropout=0.0)
    ours = apply_technique(technique, classifier, 1)
    optimizer = technique.optimizer(ours, HOW)
    theirs = get_peft_model(bare("bert"), LoraConfig(r=8, lora_alpha=32, target_modules=["query", "value"]))
    places = {name.removeprefix("base_model.model."): value for name, value in theirs.named_parameters()}
    reference = create_loraplus_optimizer(theirs, torch.optim.AdamW, lr=1e-3, loraplus_lr_ratio=8.0)
    numbers = torch.Generator().manual_seed(3)
    pairs = [(value, places[name.removeprefix("backbone.")]) for name, value in ours.items() if name != "head.weight"]
    with torch.no_grad():
        for mine, other in pairs:
            other.copy_(mine)
    for _ in range(3):
        for mine, other in pairs:
            mine.grad = torch.randn(mine.shape, generator=numbers)
            other.grad = mine.grad.clone()
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * group["rate_factor"]
        optimizer.step()
        reference.step()
    for mine, other in pairs:
        torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-7)


def test_the_head_and_the_first_factors_have_the_rate_itself(applied):
    technique, _, trained = applied("lora-plus", "bert")
    groups = technique.optimizer(trained, HOW).param_groups
    fast = {id(value) for group in groups if group["rate_factor"] == 16 for value in group["params"]}
    assert fast == {id(value) for name, value in trained.items() if ".lora_B." in name}
    assert {group["rate_factor"] for group in groups} == {1.0, 16.0}


@pytest.mark.parametrize(("name", "share"), [("vera", 0.5), ("fourierft", 0.1), ("c3a", 0.01)])
def test_where_adapters_want_a_high_rate_the_head_has_a_share_of_it(name, share, applied):
    technique, _, trained = applied(name, "bert")
    groups = technique.optimizer(trained, HOW).param_groups
    slow = [value for group in groups if group["rate_factor"] == share for value in group["params"]]
    assert len(slow) == 1 and slow[0] is trained["head.weight"]
    assert sum(len(group["params"]) for group in groups) == len(trained)
