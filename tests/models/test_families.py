"""Tables of architectures, against transformers' own classes and peft's table."""

import inspect
import json

import pytest
import torch
from peft.utils.constants import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as PEFT
from torch import nn
from transformers import CONFIG_MAPPING, AutoModel

from tuneoff.errors import ModelError
from tuneoff.models import backbones, families


def test_decoders_and_encoders(tiny_config):
    encoders = [
        "bert",
        "electra",
        "distilbert",
        "roberta",
        "xlm-roberta",
        "modernbert",
        "deberta-v2",
        "albert",
        "mpnet",
    ]
    decoders = ["qwen3", "gemma3_text", "llama", "gpt2", "mistral", "phi3", "opt", "gpt_neox", "qwen2", "olmo2"]
    found = {name: families.is_decoder(CONFIG_MAPPING[name]()) for name in encoders + decoders}
    assert found == dict.fromkeys(encoders, False) | dict.fromkeys(decoders, True)


def test_a_models_own_code_says_what_it_is():
    config = CONFIG_MAPPING["bert"]()
    config.model_type, config.auto_map = "of-its-own", {"AutoModelForCausalLM": "x.Y"}
    assert families.is_decoder(config)
    config.auto_map = {"AutoModel": "x.Y"}
    assert not families.is_decoder(config)


@pytest.mark.parametrize("kind", sorted(families.POSITIONS_AFTER_PADDING - {"esm", "ibert"}))
def test_positions_after_padding_are_as_the_classes_count_them(kind):
    """esm has no default vocabulary, and ibert's position table is no nn.Embedding: neither can be built here."""
    cls = CONFIG_MAPPING[kind]
    with torch.device("meta"):
        model = AutoModel.from_config(cls(num_hidden_layers=1))
    first = backbones.first_position(model)
    config = model.config
    assert first == config.pad_token_id + 1
    assert families.most_tokens(config) == config.max_position_embeddings - first


@pytest.mark.parametrize("kind", ["bert", "electra", "distilbert", "albert", "modernbert", "qwen3", "gpt2"])
def test_positions_elsewhere_start_at_zero(kind):
    with torch.device("meta"):
        model = AutoModel.from_config(CONFIG_MAPPING[kind]())
    assert backbones.first_position(model) == 0
    assert families.most_tokens(model.config) == model.config.max_position_embeddings


def test_models_with_relative_positions_have_no_limit():
    assert families.most_tokens(CONFIG_MAPPING["t5"]()) is None


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("intfloat/multilingual-e5-small", "query: "),
        ("multilingual-e5-small (4-bit-rounded weights)", "query: "),
        ("e5", "query: "),
        ("intfloat/e5-large-v2", "query: "),
        ("intfloat/multilingual-e5-large-instruct", ""),
        ("intfloat/e5-mistral-7b-instruct", ""),
        ("Qwen/Qwen3-Embedding-0.6B", ""),
        ("someone/base5-model", ""),
    ],
)
def test_prefix_by_name(name, prefix):
    assert families.default_prefix([name]) == prefix


@pytest.mark.parametrize(
    ("settings", "pooling"),
    [
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, "first"),
        ({"word_embedding_dimension": 8, "pooling_mode_mean_tokens": True}, "mean"),
        ({"pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False, "include_prompt": True}, "last"),
        ({"pooling_mode": "cls"}, "first"),
    ],
)
def test_pooling_of_a_sentence_transformers_folder(tmp_path, settings, pooling):
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps(settings))
    assert {families.default_pooling(decoder, tmp_path, "here") for decoder in (True, False)} == {pooling}


def test_pooling_without_such_a_folder(tmp_path):
    assert [families.default_pooling(decoder, tmp_path, "here") for decoder in (True, False)] == ["last", "mean"]
    assert families.default_pooling(True, None, "here") == "last"


@pytest.mark.parametrize("on", [["max_tokens"], ["cls_token", "mean_tokens"], []])
def test_a_pooling_that_is_not_offered_is_refused(tmp_path, on):
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text(json.dumps({f"pooling_mode_{name}": True for name in on}))
    with pytest.raises(ModelError, match="set `pooling` to"):
        families.default_pooling(False, tmp_path, "here")


@pytest.mark.parametrize(
    ("kind", "targets"),
    [
        ("bert", ["query", "value"]),
        ("xlm-roberta", ["query", "value"]),
        ("electra", ["query", "value"]),
        ("distilbert", ["q_lin", "v_lin"]),
        ("modernbert", ["Wqkv"]),
        ("deberta-v2", ["query_proj", "value_proj"]),
        ("mpnet", ["q", "v"]),
        ("gpt2", ["c_attn"]),
        ("qwen3", ["q_proj", "v_proj"]),
        ("gemma3_text", ["q_proj", "v_proj"]),
        ("llama", ["q_proj", "v_proj"]),
        ("phi", ["q_proj", "v_proj"]),  # peft's entry holds the MLP too
        ("phi3", ["qkv_proj"]),  # not in peft's table
        ("gpt_neox", ["query_key_value"]),
        ("t5", ["q", "v"]),
    ],
)
def test_lora_targets_are_query_and_value(kind, targets):
    config = CONFIG_MAPPING[kind]()
    state = torch.get_rng_state()
    assert sorted(families.lora_targets(config)) == sorted(targets)
    assert torch.equal(torch.get_rng_state(), state)
    with torch.device("meta"):
        assert families.lora_targets(AutoModel.from_config(config)) == families.lora_targets(config)


def test_pefts_entries_are_taken_only_where_they_mean_query_and_value():
    taken = {kind: families._peft_targets(kind) for kind in PEFT}
    assert {kind for kind, targets in taken.items() if targets is None} == {
        *("blip-2", "btlm", "phi", "gemma4", "nemotron_h", "rwkv", "rwkv7"),
    }


def test_unknown_projections_list_the_linear_layers():
    class Strange(nn.Module):
        config = CONFIG_MAPPING["bert"](model_type="bert")

        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.ModuleDict({"mix": nn.Linear(2, 2), "gate": nn.Linear(2, 2)})] * 2)

    with pytest.raises(ModelError, match=r"linear layers: gate, mix$"):
        families.lora_targets(Strange())


def test_every_encoder_without_a_pooler_argument_has_no_pooler_to_leave_out():
    """LayoutLM and SqueezeBERT alone keep theirs; models added to transformers later show up here."""
    kept = []
    for kind in ["bert", "roberta", "albert", "electra", "distilbert", "deberta-v2", "mpnet", "modernbert", "rembert"]:
        config = CONFIG_MAPPING[kind]()
        cls = AutoModel._model_mapping[type(config)]
        extra = {"add_pooling_layer": False} if "add_pooling_layer" in inspect.signature(cls).parameters else {}
        with torch.device("meta"):
            kept += [kind for name, _ in cls(config, **extra).named_parameters() if "pooler" in name]
    assert kept == []
