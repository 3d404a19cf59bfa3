"""What is exported gives the logits of training when others' classes load it: transformers, peft, and nothing of ours.

The snippet of the card is what loads it, run as it is written there.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import yaml
from peft import AutoPeftModelForSequenceClassification
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, TokenizersBackend

import tuneoff
from tuneoff.errors import ModelError, StoreError
from tuneoff.exporting import export
from tuneoff.techniques import names

# peft asks transformers for an attribute by a name that it had before.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
FIVE = ("full", "linear-probe", "lora", "linear-probe+lora", "top-layers")
CLASSIFIES = "AutoModelForSequenceClassification"
PEFT_CLASSIFIES = "AutoPeftModelForSequenceClassification"
PEFT_BARE = "AutoPeftModelForFeatureExtraction"


def close(found, stored):
    return np.linalg.norm(np.asarray(found) - stored) < 1e-4 * np.linalg.norm(stored)


@pytest.mark.parametrize("family", ["bert", "xlm-roberta", "qwen3", "gemma3", "llama", "gpt2"])
def test_the_snippet_gives_the_logits_of_training(finished, family, tmp_path, run_snippet, test_rows, stored_logits):
    techniques = {"bert": FIVE, "qwen3": ("full", "linear-probe+lora"), "xlm-roberta": ("full", "lora")}.get(family)
    techniques = techniques or ("lora",)
    store = finished(techniques, family=family, model={"name": "tiny"})
    decoder = family in ("qwen3", "gemma3", "llama", "gpt2")
    for technique in techniques:
        found = export(store.root, tmp_path / "to" / technique, technique=technique)
        by_peft = technique.endswith("lora")
        whole = CLASSIFIES if decoder else "AutoModel"
        assert found.loader == ((PEFT_CLASSIFIES if decoder else PEFT_BARE) if by_peft else whole)
        files = {path.name for path in found.files}
        assert ("adapter_model.safetensors" in files) == by_peft != ("model.safetensors" in files)
        assert ("head.safetensors" in files) != decoder and "tokenizer.json" in files
        variables = run_snippet(found.path, test_rows())
        logits = stored_logits(store, technique)
        assert close(variables["logits"], logits)
        assert variables["labels"] == ["canine", "feline"]
        widths = variables["inputs"]["attention_mask"].sum(1)
        assert widths.min() < widths.max() and variables["inputs"]["attention_mask"][:, 0].all()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Unsupported layer type:UserWarning")  # LN-tuning's sizes, which it does not use
@pytest.mark.filterwarnings("ignore:Failed to load the CUDA extension:UserWarning")  # BOFT's, which it does without
@pytest.mark.filterwarnings("ignore:Setting boft_n_butterfly_factor:UserWarning")  # what BOFT does for speed
@pytest.mark.parametrize("family", ["bert", "qwen3"])
@pytest.mark.parametrize("technique", names())
def test_every_technique_is_exported(finished, technique, family, tmp_path, run_snippet, test_rows, stored_logits):
    try:
        store = finished([{"name": technique, "learning_rate": 1e-2}], family=family, model={"name": "tiny"})
        found = export(store.root, tmp_path / "to")
    except ModelError as error:  # of the technique, which refuses the family, or NotExportableError
        pytest.skip(str(error))
    assert close(run_snippet(found.path, test_rows())["logits"], stored_logits(store, technique))
    assert not any("merged" in reason for reason in found.reasons)


@pytest.mark.parametrize("family", ["bert", "roberta", "distilbert", "qwen3"])
def test_a_native_head_is_in_the_classes_own_place(finished, family, tmp_path, run_snippet, test_rows, stored_logits):
    techniques = ("full", "linear-probe+lora") if family == "bert" else ("lora",)
    store = finished(techniques, family=family, model={"head": "native", "name": "tiny"})
    for technique in techniques:
        found = export(store.root, tmp_path / "to" / technique, technique=technique)
        assert found.loader == (PEFT_CLASSIFIES if technique.endswith("lora") else CLASSIFIES)
        assert close(run_snippet(found.path, test_rows())["logits"], stored_logits(store, technique))
        assert not (found.path / "head.safetensors").exists()


@pytest.mark.parametrize("family", ["bert", "qwen3"])
def test_nothing_of_tuneoff_is_needed_in_another_process(finished, family, tmp_path, test_rows, stored_logits):
    """The snippets as they are, rows and all, and then with the rows of test beside the logits of the run directory."""
    entries = {
        "lora": {"learning_rate": 3e-2},
        "vote": {"use": "knn", "features": "pair"},
        "pairs": {"use": "logistic-regression", "features": "pair"},
        **{name: {"learning_rate": 0.1} for name in ("prompt", "p-tuning", "prefix")},
    }
    store = finished([{"name": name} | entry for name, entry in entries.items()], family=family, model={"name": "tiny"})
    folders = [str(export(store.root, tmp_path / name, technique=name).path) for name in entries]
    code = f"""
import json, os, re, sys
for folder in {folders!r}:
    os.chdir(folder)
    text = open("README.md", encoding="utf-8").read()
    text = re.search(r"```python\\n(.*?)\\n```", text, re.DOTALL)[1]
    exec(text)
    exec(re.sub(r"(?m)^rows = .*$", lambda _: "rows = {test_rows()!r}", text).replace("print", ""))
    print(json.dumps(logits.tolist()))
assert not [name for name in sys.modules if name.startswith("tuneoff")]
"""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    printed = list(map(yaml.safe_load, ran.stdout.splitlines()))
    assert {label for labels in printed[::2] for label in labels} <= {"canine", "feline"}
    assert all(close(found, stored_logits(store, name)) for name, found in zip(entries, printed[1::2], strict=True))


def test_the_padding_trap_of_qwen3_embedding_is_solved_for_others(finished, tmp_path):
    """Its tokenizer pads with the token that ends each text: the class would then read one token too early."""
    store = finished(["full", "lora"], family="qwen3", model={"name": "tiny"})
    for technique, auto in (
        ("full", AutoModelForSequenceClassification),
        ("lora", AutoPeftModelForSequenceClassification),
    ):
        folder = export(store.root, tmp_path / technique, technique=technique).path
        tokenizer = AutoTokenizer.from_pretrained(folder)
        assert tokenizer.pad_token_id != tokenizer.eos_token_id
        assert tokenizer("the cat")["input_ids"][-1] == tokenizer.eos_token_id
        model = auto.from_pretrained(folder).eval()
        model.config.pad_token_id = tokenizer.pad_token_id  # what everybody writes
        texts = ["the cat", "the old man reads a very old book on the mat"]
        with torch.no_grad():
            together = model(**tokenizer(texts, padding=True, return_tensors="pt")).logits
            alone = torch.cat([model(**tokenizer([text], return_tensors="pt")).logits for text in texts])
        torch.testing.assert_close(together, alone)
    config = json.loads((tmp_path / "full" / "config.json").read_text(encoding="utf-8"))
    assert config["pad_token_id"] == tokenizer.pad_token_id
    assert config["id2label"] == {"0": "canine", "1": "feline"} and config["label2id"] == {"canine": 0, "feline": 1}


@pytest.mark.parametrize("side", ["padding_side", "truncation_side"])
def test_texts_are_padded_and_cut_on_the_right_where_the_tokenizers_class_says_left(
    finished, side, tmp_path, run_snippet, test_rows, stored_logits, monkeypatch
):
    """So it is with Gemma's, whose files do not say so: it is the class's own default."""
    store = finished([{"name": "prompt", "learning_rate": 0.1}], family="llama", model={"name": "tiny"})
    monkeypatch.setattr(TokenizersBackend, side, "left")
    folder = export(store.root, tmp_path / "to").path
    assert getattr(AutoTokenizer.from_pretrained(folder), side) == "right"
    variables = run_snippet(folder, test_rows())
    assert close(variables["logits"], stored_logits(store, "prompt"))
    assert variables["inputs"]["attention_mask"][:, 0].all() and not variables["inputs"]["attention_mask"].all()


def test_padding_is_a_token_of_its_own_where_the_model_has_rows_to_spare(
    finished, tiny_config, tiny_tokenizer, tmp_path, run_snippet, test_rows, stored_logits
):
    """So it is with the real Qwen3-Embedding: its table has more rows than its tokenizer has tokens."""
    tokenizer, folder = tiny_tokenizer("end"), tmp_path / "spare"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = tiny_config("qwen3", vocab_size=len(tokenizer) + 3)
        AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    store = finished(["lora"], model={"id": str(folder), "name": "tiny"})
    for merge in (False, True):
        found = export(store.root, tmp_path / f"to-{merge}", merge=merge)
        own = AutoTokenizer.from_pretrained(found.path)
        assert (own.pad_token, own.pad_token_id) == ("<|pad|>", len(tokenizer)) and len(own) == len(tokenizer) + 1
        assert own("the cat")["input_ids"] == tokenizer("the cat")["input_ids"]
        assert close(run_snippet(found.path, test_rows())["logits"], stored_logits(store, "lora"))


def test_an_adapter_over_a_changed_base_is_merged_and_so_it_is_if_asked(
    finished, tmp_path, run_snippet, test_rows, stored_logits
):
    store = finished(["top-layers+lora", "lora"], family="llama", model={"name": "tiny"})
    changed = export(store.root, tmp_path / "changed", technique="top-layers+lora")
    assert "top-layers had changed before" in changed.reasons[0]
    assert "top-layers had changed before" in (changed.path / "README.md").read_text(encoding="utf-8")
    asked = export(store.root, tmp_path / "asked", technique="lora", merge=True)
    assert asked.reasons == ()
    for found, technique in ((changed, "top-layers+lora"), (asked, "lora")):
        assert found.loader == CLASSIFIES and not (found.path / "adapter_config.json").exists()
        assert close(run_snippet(found.path, test_rows())["logits"], stored_logits(store, technique))


def test_what_was_exported_may_be_started_from(finished, tmp_path, run_snippet, test_rows, stored_logits):
    """An adapter goes out, comes in as a model, and is trained on: merged, since it is no base for an outsider."""
    first = finished(["lora"], family="qwen3", model={"name": "tiny"})
    adapter = export(first.root, tmp_path / "adapter").path
    second = finished(["lora"], out="again", model={"id": str(adapter), "name": "tiny"})
    found = export(second.root, tmp_path / "to")
    assert found.loader == CLASSIFIES and "started from another one" in found.reasons[0]
    assert close(run_snippet(found.path, test_rows())["logits"], stored_logits(second, "lora"))


@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("bert", {"pooling": "first", "prefix": "query: "}),
        ("bert", {"pooling": "last"}),
        ("qwen3", {"pooling": "mean", "template": "{1} {{ '{0}'\n: "}),
        ("llama", {"prefix": "query: "}),
        ("t5", {}),
    ],
)
def test_the_snippet_pools_and_reads_as_the_model_did(
    finished, family, settings, tmp_path, run_snippet, test_rows, stored_logits
):
    store = finished(["lora"], family=family, model={"name": "tiny"} | settings)
    found = export(store.root, tmp_path / "to")
    assert close(run_snippet(found.path, test_rows())["logits"], stored_logits(store, "lora"))
    card = (found.path / "README.md").read_text(encoding="utf-8")
    assert all(repr(settings[name]) in card for name in ("prefix", "template") if name in settings)


def test_one_text_a_row(finished, tmp_path, run_snippet, test_rows, stored_logits):
    store = finished(["full"], family="llama", task={"text": "hypothesis"}, model={"name": "tiny", "prefix": "a "})
    found = export(store.root, tmp_path / "to")
    rows = [second for _, second in test_rows()]
    assert close(run_snippet(found.path, rows)["logits"], stored_logits(store, "full"))


def test_a_folder_with_something_in_it_is_left_alone(finished, tmp_path):
    store = finished(["linear-probe"])
    target = tmp_path / "mine"
    target.mkdir()
    tuneoff.export(store.root, target)  # an empty one is taken
    before = sorted(target.iterdir())
    with pytest.raises(StoreError, match=r"mine: not empty, and nothing is written over"):
        export(store.root, target)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match=r"file: a file; --to is the folder"):
        export(store.root, tmp_path / "file")
    assert sorted(target.iterdir()) == before and (tmp_path / "file").read_text() == "mine"


def test_what_fails_on_the_way_leaves_nothing(finished, tmp_path, monkeypatch):
    store = finished(["linear-probe"])

    def fails(*_):
        raise ModelError("no")

    monkeypatch.setattr("tuneoff.exporting.check_written", fails)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ModelError, match="no"):
        export(store.root, tmp_path / "to")
    assert sorted(tmp_path.iterdir()) == before


def test_a_pooling_that_depends_on_the_batch_is_not_exported(finished, tmp_path):
    store = finished(["linear-probe"], family="llama", model={"name": "tiny", "pooling": "misindexed"})
    with pytest.raises(ModelError, match=r"misindexed.* is not exported"):
        export(store.root, tmp_path / "to")


def test_wrong_weights_are_noticed(finished, tmp_path, monkeypatch):
    """What was written is loaded again and compared: a head that is not the run's is no export."""
    store = finished(["linear-probe"])
    monkeypatch.setattr("tuneoff.exporting.save_tensors", lambda path, tensors: _doubled(path, tensors))
    with pytest.raises(ModelError, match="other logits from these weights"):
        export(store.root, tmp_path / "to")
    assert not (tmp_path / "to").exists()


def _doubled(path, tensors):
    from safetensors.torch import save_file

    save_file({name: 2 * value for name, value in tensors.items()}, path)
