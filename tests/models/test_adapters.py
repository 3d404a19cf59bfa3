"""A study may start from one of peft's adapters: what it starts from is what peft itself makes of it."""

import json
import shutil

import peft
import pytest
import torch
from transformers import AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification

from tuneoff.errors import ModelError
from tuneoff.models.classifier import load_classifier
from tuneoff.models.resolve import describe, resolve_model
from tuneoff.models.starting import starting_notes
from tuneoff.study import ModelSpec

# peft asks transformers for an attribute by a name that it had before.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
IDS = torch.tensor([[4, 5, 6, 7, 8], [9, 6, 4, 5, 1]])
CLASSES = {
    "SEQ_CLS": (AutoModelForSequenceClassification, peft.PeftModelForSequenceClassification),
    "CAUSAL_LM": (AutoModelForCausalLM, peft.PeftModelForCausalLM),
    "FEATURE_EXTRACTION": (AutoModel, peft.PeftModelForFeatureExtraction),
}


def make_adapter(base, folder, task_type, targets, config=None, labels=2):
    """Write an adapter with random numbers as peft writes it; returns peft's model."""
    auto, wrapper = CLASSES[task_type]
    sized = {"num_labels": labels} if task_type == "SEQ_CLS" else {}
    config = config or peft.LoraConfig(r=2, lora_alpha=8)
    config.task_type, config.target_modules = task_type, targets
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)
        model = wrapper(auto.from_pretrained(base, **sized), config)
        for value in model.parameters():
            if value.requires_grad:
                value += 0.3 * torch.randn_like(value)
    model.save_pretrained(folder, save_embedding_layers=False)
    return model.eval()


def resolved_from(folder, **settings):
    return resolve_model(ModelSpec(id=str(folder), **settings), need_weights=True)


def hidden_of(model, ids):
    """The last hidden states that peft's own model computes, adapter in place."""
    with torch.no_grad():  # a row at a time: a class that classifies takes no more without a padding token
        found = [model(input_ids=row[None], output_hidden_states=True).hidden_states[-1] for row in ids]
    return torch.cat(found)


@pytest.mark.parametrize(
    ("family", "task_type", "targets"),
    [
        ("bert", "SEQ_CLS", ["query", "value"]),
        ("bert", "FEATURE_EXTRACTION", ["query", "dense"]),
        ("qwen3", "CAUSAL_LM", r"model\.layers\.1\..*_proj"),
        ("qwen3", "SEQ_CLS", ["q_proj"]),
    ],
)
@pytest.mark.filterwarnings("ignore:.*base model config:UserWarning")
def test_the_model_is_base_and_adapter_as_peft_computes_them(model_folder, tmp_path, family, task_type, targets):
    base = model_folder(family)
    own = make_adapter(base, tmp_path / "mine", task_type, targets)
    resolved = resolved_from(tmp_path / "mine")
    classifier = load_classifier(resolved, ["a", "b"], device="cpu")
    with torch.no_grad():
        found = classifier.backbone(input_ids=IDS, attention_mask=torch.ones_like(IDS)).last_hidden_state
    expected = hidden_of(own, IDS)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    own.base_model.disable_adapter_layers()
    assert (hidden_of(own, IDS) - expected).norm() > 1e-2 * expected.norm()
    assert resolved.source == "mine" and resolved.name == "mine" and resolved.path == base.resolve()
    assert describe(resolved)["source"] == f"mine (adapter of {base.name})"


@pytest.mark.parametrize(
    "config", [peft.LoHaConfig(r=2), peft.IA3Config(feedforward_modules=[]), peft.OFTConfig(r=0, oft_block_size=4)]
)
def test_other_types_that_merge_are_merged(model_folder, tmp_path, config):
    own = make_adapter(model_folder("qwen3"), tmp_path / "mine", "CAUSAL_LM", ["q_proj", "v_proj"], config)
    classifier = load_classifier(resolved_from(tmp_path / "mine"), ["a", "b"], device="cpu")
    with torch.no_grad():
        found = classifier.backbone(input_ids=IDS, attention_mask=torch.ones_like(IDS)).last_hidden_state
    torch.testing.assert_close(found, hidden_of(own, IDS), rtol=1e-4, atol=1e-4)


def test_the_fingerprint_is_over_both_and_names_no_place(model_folder, tmp_path):
    base = tmp_path / "base"
    shutil.copytree(model_folder("bert"), base)
    make_adapter(base, tmp_path / "mine", "SEQ_CLS", ["query"])
    first = resolved_from(tmp_path / "mine").keyed()
    assert first["weights"] not in (None, resolved_from(base).keyed()["weights"])
    shutil.move(base, tmp_path / "elsewhere")
    path = tmp_path / "mine" / "adapter_config.json"
    settings = json.loads(path.read_text()) | {"base_model_name_or_path": str(tmp_path / "elsewhere")}
    path.write_text(json.dumps(settings))
    assert resolved_from(tmp_path / "mine").keyed() == first
    path.write_text(json.dumps(settings | {"lora_alpha": 9}))
    assert resolved_from(tmp_path / "mine").keyed()["weights"] != first["weights"]
    path.write_text(json.dumps(settings))
    make_adapter(tmp_path / "elsewhere", tmp_path / "other", "SEQ_CLS", ["value"])
    assert resolved_from(tmp_path / "other").keyed()["weights"] != first["weights"]


def test_a_native_head_of_the_adapter_is_kept_where_its_labels_fit(model_folder, tmp_path):
    own = make_adapter(model_folder("bert"), tmp_path / "mine", "SEQ_CLS", ["query"])
    resolved = resolved_from(tmp_path / "mine", head="native")
    kept = load_classifier(resolved, ["a", "b"], device="cpu")
    mask = torch.ones_like(IDS)
    with torch.no_grad():
        expected = own(input_ids=IDS, attention_mask=mask).logits
        torch.testing.assert_close(kept(IDS, mask), expected, rtol=1e-4, atol=1e-4)
    assert kept.new_head == frozenset()
    other = load_classifier(resolved, ["a", "b", "c"], device="cpu")
    assert other.new_head == {"backbone.classifier.weight", "backbone.classifier.bias"}


def test_a_base_that_is_not_there_is_told(model_folder, tmp_path):
    base = tmp_path / "base"
    shutil.copytree(model_folder("bert"), base)
    make_adapter(base, tmp_path / "mine", "SEQ_CLS", ["query"])
    shutil.move(base, tmp_path / "mine" / "base")
    path = tmp_path / "mine" / "adapter_config.json"
    settings = json.loads(path.read_text())
    with pytest.raises(
        ModelError, match=r"model 'mine' is an adapter, and its base is not found:.*base_model_name_or_path"
    ):
        resolved_from(tmp_path / "mine")
    path.write_text(json.dumps(settings | {"base_model_name_or_path": "base"}))  # beside the adapter
    assert resolved_from(tmp_path / "mine").path == (tmp_path / "mine" / "base").resolve()
    path.write_text(json.dumps({name: value for name, value in settings.items() if "base_model" not in name}))
    with pytest.raises(ModelError, match="names no base_model_name_or_path"):
        resolved_from(tmp_path / "mine")


def test_what_becomes_of_a_head_is_said(model_folder, tmp_path):
    folder = tmp_path / "tuned"
    model = AutoModelForSequenceClassification.from_pretrained(
        model_folder("bert"), id2label={0: "a", 1: "b"}, label2id={"a": 0, "b": 1}
    )
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(model_folder("bert") / name, folder)
    said = {
        ("linear", "ab"): "its own head, for 2 labels, is left out; `head: native` would start from it",
        ("native", "abc"): "its own head, for 2 labels, is left out, since the task has 3: a new one is made",
        ("native", "ab"): "its own head, for 2 labels, is kept",
        ("native", "ba"): "its own head, for 2 labels, is kept (by number they were a, b, and are now b, a)",
    }
    for (head, classes), sentence in said.items():
        assert starting_notes(resolved_from(folder, head=head), list(classes)) == [f"tuned: {sentence}"]
    assert starting_notes(resolved_from(model_folder("bert")), ["a", "b"]) == []
    kept = load_classifier(resolved_from(folder, head="native"), ["a", "b"], device="cpu")
    torch.testing.assert_close(kept.backbone.classifier.weight, model.classifier.weight)
    bare = load_classifier(resolved_from(folder), ["a", "b"], device="cpu")
    torch.testing.assert_close(
        bare.backbone.embeddings.word_embeddings.weight, model.bert.embeddings.word_embeddings.weight
    )
    assert not bare.head.weight.any()
