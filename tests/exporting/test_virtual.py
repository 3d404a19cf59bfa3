"""Virtual tokens go out as peft's own prompt or prefix, and what peft makes of them are the logits of training.

Each texts' padding is on the right and its length another one, which is where a class that pools by itself goes wrong.
"""

import json

import numpy as np
import peft
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer

from tuneoff.exporting import export
from tuneoff.exporting.form import NotExportableError
from tuneoff.trained import load_trained_classifier

# peft asks transformers for an attribute by a name that it had before.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")
NAMES = ("prompt", "p-tuning", "prefix")
TYPES = {"prompt": "PROMPT_TUNING", "p-tuning": "P_TUNING", "prefix": "PREFIX_TUNING"}
BARE, CLASSIFIES = "AutoPeftModelForFeatureExtraction", "AutoPeftModelForSequenceClassification"
FAMILIES = ["bert", "roberta", "distilbert", "electra", "qwen3", "llama", "gpt2", "gemma3", "t5"]


def entry(name, **settings):
    return {"name": name, "virtual_tokens": 5, "learning_rate": 0.1} | settings


def close(found, stored):
    return np.linalg.norm(np.asarray(found) - stored) < 1e-4 * np.linalg.norm(stored)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_snippet_gives_the_logits_of_training(finished, family, tmp_path, run_snippet, test_rows, stored_logits):
    decoder = family in ("qwen3", "llama", "gpt2", "gemma3")
    names = NAMES if family not in ("distilbert", "gemma3", "t5") else NAMES[:2]
    store = finished([entry(name) for name in names], family=family, model={"name": "tiny"})
    for name in names:
        found = export(store.root, tmp_path / name, technique=name)
        beside = family == "t5"  # whose encoder alone no class of peft loads
        assert found.loader == ("PeftModel" if beside else CLASSIFIES if decoder and name == "prefix" else BARE)
        files = {path.relative_to(found.path).as_posix() for path in found.files}
        assert {"adapter_model.safetensors", "adapter_config.json", "tokenizer.json"} <= files
        assert ("base/model.safetensors" in files) == beside and "model.safetensors" not in files
        assert ("head.safetensors" in files) == (found.loader != CLASSIFIES)
        config = json.loads((found.path / "adapter_config.json").read_text(encoding="utf-8"))
        assert (config["peft_type"], config["num_virtual_tokens"], config["inference_mode"]) == (TYPES[name], 5, True)
        variables = run_snippet(found.path, test_rows())
        assert close(variables["logits"], stored_logits(store, name))
        widths = variables["inputs"]["attention_mask"].sum(1)
        assert widths.min() < widths.max() and variables["inputs"]["attention_mask"][:, 0].all()


def test_a_prefix_of_a_decoder_is_loaded_by_pefts_class_alone(finished, tmp_path, test_rows, stored_logits):
    store = finished([entry("prefix", projection=True)], family="qwen3", model={"name": "tiny"})
    folder = export(store.root, tmp_path / "to").path
    tokenizer = AutoTokenizer.from_pretrained(folder)
    texts = [f"{first}\n{second}" for first, second in test_rows()]
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    auto = peft.AutoPeftModelForSequenceClassification
    model = auto.from_pretrained(folder, num_labels=2, pad_token_id=tokenizer.pad_token_id).eval()
    base = AutoModelForSequenceClassification.from_pretrained(
        json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"],
        num_labels=2,
        pad_token_id=tokenizer.pad_token_id,
    )
    by_hand = peft.PeftModel.from_pretrained(base, folder).eval()
    with torch.no_grad():
        logits, again = model(**inputs).logits, by_hand(**inputs).logits
    assert close(logits, stored_logits(store, "prefix")) and torch.equal(logits, again)


@pytest.mark.parametrize("name", ["prompt", "p-tuning"])
def test_a_class_that_pools_by_itself_would_take_padding(name, finished, tmp_path, test_rows, stored_logits):
    """The trap that the folder avoids: peft's class for classification, with the same numbers, gives other logits."""
    store = finished([entry(name)], family="qwen3", model={"name": "tiny"})
    found = export(store.root, tmp_path / "to")
    assert "it would take what stands last, padding included" in found.reasons[0]
    config = peft.PeftConfig.from_pretrained(found.path)
    tokenizer = AutoTokenizer.from_pretrained(found.path)
    plain = AutoModelForSequenceClassification.from_pretrained(
        config.base_model_name_or_path, num_labels=2, pad_token_id=0
    )
    plain.score.weight.data = load_file(found.path / "head.safetensors")["weight"]
    config.task_type = "SEQ_CLS"
    wrong = peft.PeftModelForSequenceClassification(plain, config).eval()
    numbers = load_file(found.path / "adapter_model.safetensors")["prompt_embeddings"]
    wrong.prompt_encoder["default"].embedding.weight.data = numbers
    texts = [f"{first}\n{second}" for first, second in test_rows()]
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    stored = stored_logits(store, name)
    with torch.no_grad():
        logits = wrong(**inputs).logits
        alone = torch.cat([wrong(**tokenizer([text], return_tensors="pt")).logits for text in texts])
    full = inputs["attention_mask"].all(1).numpy()
    assert not full.all() and close(alone, stored)
    assert all(np.abs(logits.numpy() - stored)[~full].max(axis=1) > 1e-3)


def test_of_two_texts_each_token_is_still_of_its_own(finished, tmp_path, run_snippet, test_rows, stored_logits):
    """peft's call for features leaves segments out: on BERT it gives other logits than those of training."""
    store = finished([entry("prompt"), entry("prefix")], family="bert", model={"name": "tiny"})
    for name in ("prompt", "prefix"):
        folder = export(store.root, tmp_path / name, technique=name).path
        right = run_snippet(folder, test_rows())
        model, inputs = right["model"], right["inputs"]
        with pytest.warns(UserWarning, match="Token type ids are not supported"):
            hidden = model(**inputs).last_hidden_state[:, -inputs["input_ids"].shape[1] :]
        mask = inputs["attention_mask"].unsqueeze(-1)
        wrong = (hidden * mask).sum(1) / mask.sum(1) @ load_file(folder / "head.safetensors")["weight"].T
        stored = stored_logits(store, name)
        assert close(right["logits"], stored) and not close(wrong, stored)
        assert "would leave out `token_type_ids`" in (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("family", ["bert", "qwen3"])
def test_a_base_that_was_trained_before_goes_with_them(
    finished, family, tmp_path, run_snippet, test_rows, stored_logits
):
    chains = ("lora+prompt", "linear-probe+prompt", *(("full+prefix",) if family == "qwen3" else ()))
    settings = {"prompt": entry("prompt"), "prefix": entry("prefix"), "lora": {"name": "lora", "learning_rate": 3e-2}}
    settings |= {"full": {"name": "full", "learning_rate": 3e-3}}
    store = finished(
        [*settings.values(), *({"name": chain} for chain in chains)], family=family, model={"name": "tiny"}
    )
    for chain in chains:
        found = export(store.root, tmp_path / chain, technique=chain)
        assert close(run_snippet(found.path, test_rows())["logits"], stored_logits(store, chain))
        moved = chain != "linear-probe+prompt"
        assert (found.loader == "PeftModel") == moved == (found.path / "base" / "model.safetensors").exists()
        assert any("had changed before" in reason for reason in found.reasons) == moved
        for path in found.files:
            assert path.suffix == ".safetensors" or "tuneoff_prefix" not in path.read_text(encoding="utf-8")


def test_one_text_a_row_with_a_prefix_of_words(finished, tmp_path, run_snippet, test_rows, stored_logits):
    task, model = {"text": "hypothesis"}, {"name": "tiny", "prefix": "query: ", "pooling": "first"}
    store = finished([entry("p-tuning"), entry("prefix")], family="bert", task=task, model=model)
    for name in ("p-tuning", "prefix"):
        folder = export(store.root, tmp_path / name, technique=name).path
        logits = run_snippet(folder, [second for _, second in test_rows()])["logits"]
        assert close(logits, stored_logits(store, name))


@pytest.mark.parametrize("name", NAMES)
def test_merging_is_refused_with_the_reason(name, finished, tmp_path):
    store = finished([entry(name)], model={"name": "tiny"})
    with pytest.raises(
        NotExportableError, match=f"{name} cannot be merged into its base, for its .*: leave --merge out"
    ):
        export(store.root, tmp_path / "to", merge=True)
    assert not (tmp_path / "to").exists()


@pytest.mark.parametrize("family", ["distilbert", "t5"])
def test_a_model_that_takes_no_keys_and_values_gets_no_prefix_from_peft(family, finished, model_folder, tmp_path):
    store = finished([entry("prefix")], family=family, model={"name": "tiny"})
    with pytest.raises(NotExportableError, match=r"as past_key_values, and \w+ takes none. Use `tuneoff predict`"):
        export(store.root, tmp_path / "to")
    if family == "distilbert":  # so it is: peft makes one, and the model ignores it or stops
        config = peft.PrefixTuningConfig(
            task_type="FEATURE_EXTRACTION", num_virtual_tokens=5, token_dim=32, num_attention_heads=4
        )
        theirs = peft.PeftModelForFeatureExtraction(AutoModel.from_pretrained(model_folder(family)), config).eval()
        with pytest.raises(RuntimeError, match="must match the size"):
            theirs(input_ids=torch.tensor([[5, 6], [7, 0]]), attention_mask=torch.tensor([[1, 1], [1, 0]]))


def test_texts_that_a_window_would_part_from_the_prefix_are_cut_before(
    finished, tiny_config, tiny_tokenizer, tmp_path, run_snippet, test_rows, stored_logits
):
    """In peft a prefix stands in the window of Gemma 3, here outside it: up to the window's end they are the same."""
    folder, window, room = tmp_path / "gemma", 20, 15
    with torch.random.fork_rng():
        torch.manual_seed(0)
        AutoModel.from_config(tiny_config("gemma3", sliding_window=window)).save_pretrained(folder)
    tiny_tokenizer("start").save_pretrained(folder)
    store = finished([entry("prefix")], model={"id": str(folder), "name": "tiny"})
    found = export(store.root, tmp_path / "to")
    variables = run_snippet(found.path, test_rows())
    assert close(variables["logits"], stored_logits(store, "prefix"))
    assert AutoTokenizer.from_pretrained(found.path).model_max_length == room
    (record,) = store.records()
    classifier = load_trained_classifier(store, record.address).classifier
    for length in (room - 1, room, room + 1):
        ids = torch.arange(length)[None] % 20 + 5
        with torch.no_grad():
            theirs = variables["model"](input_ids=ids, attention_mask=torch.ones_like(ids)).logits
            assert close(theirs, classifier(ids, torch.ones_like(ids)).numpy()) == (length <= room)


def test_a_window_that_the_texts_do_not_fit_in_is_told(finished, tmp_path):
    store = finished([entry("prefix")], family="gemma3", model={"name": "tiny"})
    with pytest.raises(
        NotExportableError, match=r"window of 4 tokens, of which peft's prefix takes 5.* of more than 0;"
    ):
        export(store.root, tmp_path / "to")
