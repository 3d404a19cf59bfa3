"""Useful operations: by hand, against what torch executes, and against the layers that transformers builds."""

import pytest
import torch
from peft import LoraConfig, inject_adapter_in_model
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModel, BertConfig

from benchmarks.flops import WORKS, Shape, attended_pairs, count, shape_of

E5 = BertConfig(
    vocab_size=250037, hidden_size=384, num_hidden_layers=12, num_attention_heads=12, intermediate_size=1536
)
TERRA_MEAN = 81  # tokens of a text of TERRa, about


def test_e5_small_needs_43_mflop_a_token():
    flops = count(shape_of(E5, 2), [TERRA_MEAN], "full").forward / TERRA_MEAN
    layers = 2 * 12 * (4 * 384 * 384 + 2 * 384 * 1536)
    attention = 12 * 4 * TERRA_MEAN * 384
    head = 2 * 384 * 2 / TERRA_MEAN
    assert flops == pytest.approx(layers + attention + head)
    assert flops == pytest.approx(43e6, rel=0.03)


def test_a_full_step_is_three_forward_passes():
    flops = count(shape_of(E5, 2), [50, 90], "full")
    assert flops.step == 3 * flops.forward


def test_a_probe_is_a_forward_pass_and_the_heads_weights():
    flops = count(shape_of(E5, 2), [50, 90], "linear-probe")
    assert flops.forward == count(shape_of(E5, 2), [50, 90], "full").forward
    assert flops.backward == 2 * 384 * 2 * 2


def test_lora_by_hand():
    # One text of 3 tokens, two layers, everything small enough to write out.
    shape = Shape(4, 6, 2, 5, 3, (None, None), causal=False, classes=2)
    below, above, adapters, up = 4 * (6 + 2 + 2), 6 * 4 + 3 * 4 * 5, (4 + 6) + (4 + 2), 6 + 2
    product = 2 * 3 * 3 * 6
    head = 2 * 4 * 2
    flops = count(shape, [3], "lora", rank=1)
    assert flops.forward == head + 2 * (2 * 3 * (below + above + adapters) + 2 * product)
    second = 2 * 3 * (below + above) + 2 * 2 * 3 * adapters + 4 * product
    first = 2 * 3 * above + 2 * 3 * (adapters + up) + 3 * product
    assert flops.backward == 2 * head + second + first


@pytest.mark.parametrize("work", WORKS)
def test_torch_executes_just_that(work):
    config = BertConfig(vocab_size=50, hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=48)
    backbone = AutoModel.from_config(config, add_pooling_layer=False, attn_implementation="eager")
    head = torch.nn.Linear(32, 2, bias=False)
    if work == "linear-probe":
        backbone.requires_grad_(False)
    if work == "lora":
        backbone.requires_grad_(False)
        inject_adapter_in_model(LoraConfig(r=2, lora_dropout=0.1, target_modules=["query", "value"]), backbone)
    with FlopCounterMode(display=False) as counter:
        vectors = backbone(input_ids=torch.randint(0, 50, (2, 7))).last_hidden_state.mean(dim=1)
        torch.nn.functional.cross_entropy(head(vectors), torch.tensor([0, 1])).backward()
    assert count(shape_of(config, 2), [7, 7], work, rank=2).step == counter.get_total_flops()


@pytest.mark.parametrize("family", ["xlm-roberta", "qwen3", "gemma3", "llama"])
def test_the_layers_have_the_parameters_that_transformers_builds(family, tiny_config):
    config = tiny_config(family)
    with torch.device("meta"):
        model = AutoModel.from_config(config)
    layers = [module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    pooler = [model.pooler.dense] if getattr(model, "pooler", None) else []
    used = sum(layer.weight.numel() for layer in layers) - sum(layer.weight.numel() for layer in pooler)
    shape = shape_of(config, 2)
    assert shape.layer * len(shape.windows) == used


def test_a_window_is_seen_in_the_shape(tiny_config):
    windows = shape_of(tiny_config("gemma3", num_hidden_layers=6), 2).windows
    assert windows == (4, 4, 4, 4, 4, None)


@pytest.mark.parametrize("window", [None, 1, 3, 5, 9])
def test_pairs_are_those_that_a_mask_lets_through(window):
    def seen(length):
        at = torch.arange(length)
        back = at[:, None] - at[None, :]
        return int(((back >= 0) & (back < (window or length))).sum())

    assert attended_pairs([5, 2], True, window) == seen(5) + seen(2)


def test_pairs_of_an_encoder_are_all():
    assert attended_pairs([5, 2], False, None) == 29


def test_an_unknown_family_is_refused(tiny_config):
    with pytest.raises(ValueError, match="gpt2"):
        shape_of(tiny_config("gpt2"), 2)
