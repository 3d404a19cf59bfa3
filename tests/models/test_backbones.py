"""Loading: every weight of a backbone comes from its files, a head is known, what cannot work is refused."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from tuneoff.errors import ModelError
from tuneoff.models.classifier import build_meta, init_head, load_classifier
from tuneoff.models.resolve import resolve_model
from tuneoff.study import ModelSpec


def loaded(resolved, classes=("yes", "no", "perhaps")):
    return load_classifier(resolved, classes, device="cpu")


def broken(resolved, folder, change):
    """Copy a model's folder with its weights changed."""
    folder.mkdir()
    for file in resolved.path.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return resolve_model(ModelSpec(id=str(folder)), need_weights=True)


def test_a_backbone_is_never_random(resolve, tmp_path):
    name = "encoder.layer.1.output.dense.weight"
    lacking = broken(resolve("bert"), tmp_path / "lacking", lambda weights: weights.pop(name))
    with pytest.raises(ModelError, match=f"lack {name}"):
        loaded(lacking)
    reshaped = broken(resolve("bert"), tmp_path / "reshaped", lambda weights: weights.update({name: torch.ones(2, 2)}))
    with pytest.raises(ModelError, match=f"lack {name}"):
        loaded(reshaped)
    with pytest.raises(ModelError, match=r"bert\.embeddings.* and \d+ more"):
        other = resolve("bert")
        (tmp_path / "other").mkdir()
        for file in other.path.iterdir():
            (tmp_path / "other" / file.name).write_bytes(file.read_bytes())
        save_file({"x": torch.ones(1)}, tmp_path / "other" / "model.safetensors", metadata={"format": "pt"})
        loaded(resolve_model(ModelSpec(id=str(tmp_path / "other"), head="native"), need_weights=True))


def test_damaged_weights_are_reported(resolve, tmp_path):
    resolved = broken(resolve("bert"), tmp_path / "damaged", lambda _weights: None)
    (resolved.path / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0nonsense")
    with pytest.raises(ModelError, match="cannot be loaded"):
        loaded(resolved)


def test_models_that_mix_padding_in_are_refused(tmp_path, tiny_tokenizer):
    from transformers import FNetConfig, FNetModel, NystromformerConfig, NystromformerModel

    size = {"hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 48, "vocab_size": 40}
    cases = {
        "no attention mask": FNetModel(FNetConfig(**size)),
        "padding is mixed in": NystromformerModel(
            NystromformerConfig(**size, num_attention_heads=4, num_landmarks=8, segment_means_seq_len=8)
        ),
    }
    for reason, model in cases.items():
        folder = tmp_path / reason.replace(" ", "-")
        model.save_pretrained(folder)
        tiny_tokenizer("bert").save_pretrained(folder)
        with pytest.raises(ModelError, match=reason):
            loaded(resolve_model(ModelSpec(id=str(folder)), need_weights=True))


def test_native_head_is_what_the_class_adds(native):
    names = set(loaded(native("bert")).head_parameters())
    assert names == {"backbone.classifier.weight", "backbone.classifier.bias"}
    names = set(loaded(native("distilbert")).head_parameters())
    assert names == {
        f"backbone.{part}.{kind}" for part in ("pre_classifier", "classifier") for kind in ("weight", "bias")
    }
    assert set(loaded(native("qwen3")).head_parameters()) == {"backbone.score.weight"}


def test_a_loaded_model_is_frozen_in_eval_mode_and_quiet(resolve, capfd):
    resolved = resolve("bert")
    assert "pooler.dense.weight" in load_file(resolved.path / "model.safetensors")
    capfd.readouterr()
    state = torch.get_rng_state()
    classifier = loaded(resolved)
    assert torch.equal(torch.get_rng_state(), state)
    assert capfd.readouterr() == ("", "")
    assert not classifier.training and not any(value.requires_grad for value in classifier.parameters())


def test_a_native_head_of_the_checkpoint_is_kept_unless_its_classes_are_others(native):
    resolved = native("distilbert")
    stored = load_file(resolved.path / "model.safetensors")
    same, other = loaded(resolved, ["a", "b"]), loaded(resolved)
    init_head(same, 1)
    assert torch.equal(same.backbone.classifier.weight, stored["classifier.weight"])
    assert torch.equal(other.backbone.pre_classifier.weight, stored["pre_classifier.weight"])
    assert other.backbone.classifier.weight.shape == (3, 32)
    assert other.backbone.config.id2label == {0: "yes", 1: "no", 2: "perhaps"}


OWN_CODE = """
from transformers import BertConfig, BertModel
class OwnConfig(BertConfig):
    model_type = "own"
class OwnModel(BertModel):
    config_class = OwnConfig
"""


def test_a_models_own_code_is_run_only_if_asked(resolve, tmp_path, monkeypatch):
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    monkeypatch.syspath_prepend(tmp_path / "modules")
    folder = broken(resolve("bert"), tmp_path / "own", lambda _weights: None).path
    settings = json.loads((folder / "config.json").read_text())
    settings |= {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"}}
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "own.py").write_text(OWN_CODE)
    with pytest.raises(ModelError, match="trust_remote_code: true"):
        resolve_model(ModelSpec(id=str(folder)), need_weights=True)
    resolved = resolve_model(ModelSpec(id=str(folder), trust_remote_code=True), need_weights=True)
    plain, own = loaded(resolve("bert")), loaded(resolved)
    assert type(own.backbone).__name__ == "OwnModel" and build_meta(resolved, 3).head.weight.is_meta
    ids, mask = torch.tensor([[2, 5, 6, 3]]), torch.ones(1, 4, dtype=torch.long)
    with torch.no_grad():
        torch.testing.assert_close(own.vectors(ids, mask), plain.vectors(ids, mask), atol=1e-6, rtol=1e-5)
    key = resolved.keyed()
    (folder / "own.py").write_text(OWN_CODE + "# changed\n")
    assert resolved.keyed() != key
