"""Ranks against the sides of the layers that adapters stand on; the tiny models' attention is 32 wide."""

import pytest

from tuneoff.checks.rank import Rank

CHECK = Rank()
HIGH = [
    ({"use": "lora", "rank": 33}, "rank", 33),
    ({"use": "dora", "rank": 40}, "rank", 40),
    ({"use": "lora-all", "rank": 40}, "rank", 40),
    ({"use": "rslora"}, "rank", 64),
    ({"use": "loha", "rank": 50}, "rank", 50),
    ({"use": "adalora", "rank": 8, "first_rank": 64}, "first_rank", 64),
    ({"peft": {"type": "lora", "r": 48}}, "peft.r", 48),
    ({"peft": {"type": "loha", "r": 48}}, "peft.r", 48),
]


def found(studied, *entries, family="bert"):
    techniques = [entry if isinstance(entry, str) else {"name": "mine", **entry} for entry in entries]
    return list(CHECK.of_study(studied(techniques, family)))


@pytest.mark.parametrize(("entry", "setting", "rank"), HIGH)
def test_a_rank_that_no_layer_can_have_is_a_warning(studied, entry, setting, rank):
    (warned,) = found(studied, entry)
    assert (warned.check, warned.severity, warned.about) == ("rank", "warning", "mine on tiny-bert")
    assert warned.sentence.startswith(f"{setting} is {rank}, and encoder.layer.0.attention.self.query has a smaller")
    assert "side of 32" in warned.sentence and warned.advice == f"Set {setting} to 32 or less."


def test_the_narrowest_layer_counts(studied):
    """Of grouped queries the values have 16 columns, and the queries 32."""
    (warned,) = found(studied, {"use": "lora", "rank": 20}, family="qwen3")
    assert "layers.0.self_attn.v_proj has a smaller side of 16" in warned.sentence
    (fine,) = found(studied, {"use": "lora", "rank": 20, "target_modules": ["q_proj"]}, family="qwen3")
    assert fine.severity == "fine"


def test_transposed_weights_too(studied):
    (warned,) = found(studied, {"use": "lora", "rank": 33}, family="gpt2")
    assert "h.0.attn.c_attn has a smaller side of 32" in warned.sentence


@pytest.mark.parametrize("entry", ["lora", {"use": "lora", "rank": 32}, "full", "linear-probe", "vera", "hra", "peft"])
def test_ranks_that_a_layer_can_have_and_what_has_no_such_rank_are_fine(studied, entry):
    (fine,) = found(studied, entry)
    assert (fine.severity, fine.sentence) == ("fine", "No adapter has a rank that its layer cannot have.")
    assert fine.advice is None


def test_a_stage_in_a_chain_is_told_once(studied):
    (warned,) = found(studied, {"use": "lora", "rank": 40}, "linear-probe+mine")
    assert warned.about == "mine on tiny-bert"
