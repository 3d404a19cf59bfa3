"""A model as a study names it: defaults, identity, and every way in which it may not be usable."""

import dataclasses
import hashlib
import json
import shutil

import pytest
from huggingface_hub import constants

from tuneoff.errors import ModelError
from tuneoff.models.resolve import describe, resolve_model
from tuneoff.models.text import load_tokenizer
from tuneoff.study import ModelSpec


def resolved_from(folder, *, need_weights=True, **settings):
    return resolve_model(ModelSpec(id=str(folder), **settings), need_weights=need_weights)


@pytest.fixture
def copied(model_folder, tmp_path):
    """Return a function that copies a family's folder, to be changed."""

    def copy(family, name=None):
        return shutil.copytree(model_folder(family), tmp_path / (name or f"Tiny_{family}"))

    return copy


def change_config(folder, **settings):
    file = folder / "config.json"
    config = json.loads(file.read_text()) | settings
    file.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))


def test_defaults_of_an_encoder_and_of_a_decoder(resolve, model_folder):
    encoder, decoder = resolve("bert"), resolve("qwen3")
    assert (encoder.name, encoder.label, encoder.source) == ("tiny-bert", "tiny-bert", "Tiny_bert")
    assert (encoder.pooling, encoder.template, encoder.is_decoder) == ("mean", None, False)
    assert (decoder.pooling, decoder.template, decoder.is_decoder) == ("last", "{0}\n{1}", True)
    assert encoder.path == model_folder("bert") and encoder.revision is None and encoder.prefix == ""
    assert str(model_folder("bert")) not in json.dumps([encoder.keyed(), describe(encoder)])


def test_what_the_study_says_wins(resolve):
    asked = {"name": "mine", "label": "Mine", "pooling": "first", "prefix": "x ", "template": "{1}{0}", "max_length": 9}
    resolved = resolve("qwen3", **asked)
    assert {key: getattr(resolved, key) for key in asked} == asked


def test_the_model_card_names_the_model(copied):
    folder = copied("bert", "e5")
    assert resolved_from(folder).prefix == "query: "
    (folder / "README.md").write_text("---\nlicense: mit\nmodel_name: Fine model (rounded)\n---\n# Text\n")
    assert resolved_from(folder).label == "Fine model (rounded)"
    assert resolved_from(folder, label="Other").label == "Other"
    for card in ("---\nmodel_name: [\n---\n", "no front matter", "---\n- list\n---\n"):
        (folder / "README.md").write_text(card)
        assert resolved_from(folder).label == "e5"


def test_the_folders_own_pooling(copied):
    folder = copied("qwen3")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    assert resolved_from(folder).pooling == "mean"
    assert resolved_from(folder, pooling="last").pooling == "last"


def test_longest_text(copied, resolve):
    assert resolve("bert").max_length == 64
    assert resolve("roberta").max_length == 62  # two rows of 64 are padding's and unused
    assert resolve("t5").max_length == 512
    folder = copied("bert")
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | {"model_max_length": 48}))
    assert resolved_from(folder).max_length == 48
    assert resolved_from(folder, max_length=64).max_length == 64
    with pytest.raises(ModelError, match="64 tokens at most: max_length 65"):
        resolved_from(folder, max_length=65)


def test_fingerprint_follows_contents_and_names_of_weights(copied, tmp_path):
    folder = copied("bert")
    first = resolved_from(folder)
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert first.fingerprint == hashlib.sha256(f"model.safetensors\0{digest}\n".encode()).hexdigest()
    moved = resolved_from(shutil.move(folder, tmp_path / "elsewhere"), name="x", label="y")
    assert moved.keyed() == first.keyed()
    file = tmp_path / "elsewhere" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    changed = resolved_from(tmp_path / "elsewhere")
    assert changed.fingerprint != first.fingerprint and changed.tokenizer_fingerprint == first.tokenizer_fingerprint


def test_shards_are_all_in_the_fingerprint(copied):
    folder = copied("bert")
    whole = (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    second = folder / "model-00002-of-00002.safetensors"
    index = {"weight_map": {"b": second.name, "a": whole.name, "c": whole.name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="lists model-00002-of-00002"):
        resolved_from(folder)
    shutil.copy(whole, second)
    first = resolved_from(folder)
    second.write_bytes(second.read_bytes()[:-1] + b"\x01")
    assert resolved_from(folder).fingerprint != first.fingerprint
    assert describe(first)["weight_bytes"] == 2 * whole.stat().st_size


def test_the_key_holds_all_that_changes_vectors_and_nothing_else(copied):
    folder = copied("bert")
    first = resolved_from(folder)
    for change in ({"pooling": "first"}, {"prefix": "x "}, {"max_length": 9}, {"head": "native"}):
        assert resolved_from(folder, **change).keyed() != first.keyed()
    change_config(folder, transformers_version="4.0", architectures=["Other"], id2label={"0": "z"}, dtype="bfloat16")
    assert resolved_from(folder).keyed() == first.keyed()
    change_config(folder, layer_norm_eps=1e-3)
    assert resolved_from(folder).keyed() != first.keyed()
    absent = dataclasses.replace(first, fingerprint=None)
    assert absent.keyed() != first.keyed() != dataclasses.replace(first, tokenizer_fingerprint=None).keyed()
    assert absent.keyed() != dataclasses.replace(absent, source="another").keyed()


def test_describe_is_the_papers_table(resolve, tiny_config):
    shown = json.loads(json.dumps(describe(resolve("qwen3"))))
    shapes = {"layers": 2, "hidden": 32, "heads": 4, "kv_heads": 2, "head_dim": 8, "intermediate": 48}
    assert shapes.items() <= shown.items()
    assert shown["vocabulary"] == tiny_config("qwen3").vocab_size and shown["max_positions"] == 64
    assert (shown["model_type"], shown["architecture"], shown["dtype"]) == ("qwen3", "Qwen3Model", "F32")
    assert describe(resolve("bert"))["kv_heads"] == 4 and describe(resolve("distilbert"))["intermediate"] == 48


def test_a_config_is_enough_for_a_plan(copied):
    folder = copied("qwen3")
    for file in folder.iterdir():
        if file.name != "config.json":
            file.unlink()
    resolved = resolved_from(folder, need_weights=False)
    assert resolved.fingerprint is None and resolved.tokenizer_fingerprint is None and resolved.max_length == 64
    assert describe(resolved)["weight_bytes"] is None and describe(resolved)["dtype"] is None
    with pytest.raises(ModelError, match="tokenizer are not here"):
        load_tokenizer(resolved)


def test_what_lacks_in_a_folder_is_said(copied):
    folder = copied("bert")
    for name in ("tokenizer.json", "model.safetensors", "config.json"):
        (folder / name).rename(folder / f"away-{name}")
        reason = {"tokenizer.json": "no tokenizer", "config.json": "no config.json"}.get(name, "has no weights")
        with pytest.raises(ModelError, match=reason):
            resolved_from(folder)
        (folder / f"away-{name}").rename(folder / name)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin only.*convert them to safetensors"):
        resolved_from(folder)
    (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"adapter_config\.json is not as peft writes it"):
        resolved_from(folder)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"model_type": "berd"}, "model_type 'berd' is unknown"),
        ({"model_type": None}, "model_type None is unknown"),
        ({"model_type": "own", "auto_map": {"AutoConfig": "code.C"}}, "trust_remote_code: true"),
        ({"model_type": "bart"}, "encoder-decoder"),
        ({"model_type": "gemma3"}, "more than text"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "quantized"),
        ({"hidden_size": "wide"}, "cannot be used"),
    ],
)
def test_configs_that_cannot_be_used(copied, settings, reason):
    folder = copied("bert")
    change_config(folder, **settings)
    with pytest.raises(ModelError, match=reason):
        resolved_from(folder)


def test_files_that_cannot_be_read(copied):
    folder = copied("bert")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="tokenizer cannot be loaded"):
        load_tokenizer(resolved_from(folder))
    for content, reason in (("{", "is not JSON"), ("[]", "no JSON object")):
        (folder / "config.json").write_text(content)
        with pytest.raises(ModelError, match=reason):
            resolved_from(folder)


@pytest.mark.parametrize(
    ("family", "settings", "reason"),
    [
        ("bert", {"template": "{0} {1}"}, "pair form"),
        ("qwen3", {"template": "{1}"}, r"\{0\} once"),
        ("qwen3", {"template": "{0} {0}"}, r"\{0\} once"),
        ("qwen3", {"head": "native", "pooling": "misindexed"}, "leave `pooling` out"),
        ("qwen3", {"revision": "main"}, "is a folder"),
    ],
)
def test_settings_that_contradict_the_model(resolve, family, settings, reason):
    with pytest.raises(ModelError, match=reason):
        resolve(family, **settings)


@pytest.mark.parametrize("name", ["/no/such/folder", "./model", "a/b/c", "~/nowhere", "two words"])
def test_a_folder_that_is_not_there(name):
    with pytest.raises(ModelError, match="no such folder"):
        resolved_from(name)


def test_a_file_is_no_folder(copied):
    with pytest.raises(ModelError, match="is a file"):
        resolved_from(copied("bert") / "config.json")


COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def offline_hub(monkeypatch, tmp_path):
    """Return an empty cache of the hub, which is switched off."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_a_hub_that_cannot_be_reached(offline_hub):
    with pytest.raises(ModelError, match="hf download owner/model --local-dir FOLDER"):
        resolved_from("owner/model")


def test_a_model_in_the_hubs_cache(offline_hub, model_folder):
    repository = offline_hub / "models--Owner--Tiny_Model"
    snapshot = shutil.copytree(model_folder("bert"), repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    resolved = resolved_from("Owner/Tiny_Model")
    assert (resolved.source, resolved.name, resolved.revision) == ("Owner/Tiny_Model", "tiny-model", COMMIT)
    assert resolved.path == snapshot
    assert resolved.keyed() == resolved_from(model_folder("bert")).keyed()


def test_only_small_files_are_asked_of_the_hub_for_a_plan(monkeypatch, model_folder):
    asked = []

    def download(_id, *, revision, allow_patterns):
        asked.append((revision, allow_patterns))
        return str(model_folder("bert"))

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    resolved_from("owner/model", need_weights=False, revision="v1")
    resolved_from("owner/model", need_weights=True)
    (revision, small), (_, whole) = asked
    assert revision == "v1" and set(small) < set(whole)
    assert not any("safetensors" in pattern or pattern.startswith("*") for pattern in small)
    assert not any(pattern.endswith((".bin", ".py")) for pattern in whole)
