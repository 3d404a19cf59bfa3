"""Tiny random models of each family with tiny tokenizers, saved as folders like real ones; and a study of one."""

import gc
import importlib.util
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from accelerate import Accelerator
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoModel, AutoModelForSequenceClassification, PreTrainedTokenizerFast

from tuneoff.evidence import task_files
from tuneoff.evidence.baselines import text_baselines
from tuneoff.executors.local import Observer
from tuneoff.models.classifier import init_head, load_classifier
from tuneoff.models.resolve import resolve_model
from tuneoff.models.text import load_tokenizer, tokenize
from tuneoff.reading import ReadStudy, study_from_mapping
from tuneoff.study import ModelSpec
from tuneoff.techniques import get
from tuneoff.techniques.base import Optimization
from tuneoff.training.build import apply_technique
from tuneoff.training.inputs import TokenInputs
from tuneoff.training.job import Budget, Execution, Job

WORDS = [
    *("the", "a", "cat", "dog", "sat", "on", "mat", "ran", "far", "in", "rain", "very", "old", "young"),
    *("man", "woman", "reads", "book", "query", ":", "{", "}", "0", "1"),
]
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>"]
DECODER = ["<unk>", "<s>", "<|end|>", "<|turn|>"]
SIZE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,
}
GROUPED = SIZE | {"num_key_value_heads": 2, "head_dim": 8, "bos_token_id": 1, "eos_token_id": 2}
# family: config class, settings, tokenizer
FAMILIES = {
    "bert": ("BertConfig", SIZE, "bert"),
    "electra": ("ElectraConfig", SIZE | {"embedding_size": 16}, "bert"),
    "distilbert": ("DistilBertConfig", {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48}, "bert"),
    "roberta": ("RobertaConfig", SIZE | {"type_vocab_size": 1, "pad_token_id": 1}, "roberta"),
    "xlm-roberta": ("XLMRobertaConfig", SIZE | {"type_vocab_size": 1, "pad_token_id": 1}, "roberta"),
    "qwen3": ("Qwen3Config", GROUPED, "end"),
    "gemma3": ("Gemma3TextConfig", GROUPED | {"sliding_window": 4, "query_pre_attn_scalar": 8}, "start"),
    "llama": ("LlamaConfig", {key: value for key, value in GROUPED.items() if key != "head_dim"}, "start"),
    "gpt2": ("GPT2Config", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}, "plain"),
    "t5": ("T5Config", {"d_model": 32, "d_ff": 48, "num_layers": 2, "num_heads": 4, "d_kv": 8}, "roberta"),
}
# Wide enough for blocks of 64 numbers, as weights in 4 bits are kept in.
WIDE = {"hidden_size": 64, "intermediate_size": 128}
FAMILIES |= {
    "wide-bert": ("BertConfig", SIZE | WIDE, "bert"),
    "wide-qwen3": ("Qwen3Config", GROUPED | WIDE | {"head_dim": 16}, "end"),
    "wide-gpt2": ("GPT2Config", {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 64}, "plain"),
    "wide-t5": ("T5Config", {"d_model": 64, "d_ff": 128, "num_layers": 2, "num_heads": 4, "d_kv": 16}, "roberta"),
}
SMALL_RANGE = {"distilbert": {"initializer_range": 0.3, "max_position_embeddings": 64}}
SMALL_RANGE |= {
    name: {"initializer_range": 0.3, "bos_token_id": 2, "eos_token_id": 2} for name in ("gpt2", "wide-gpt2")
}


def make_tokenizer(kind):
    special = {"bert": BERT, "roberta": ROBERTA}.get(kind, DECODER)
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys([*special, *WORDS]))}
    unknown = next(word for word in special if "unk" in word.lower())
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=unknown))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    forms = {
        "bert": ("[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1"),
        "roberta": ("<s> $A </s>", "<s> $A </s> </s> $B </s>"),
        "end": ("$A <|end|>", "$A $B <|end|>"),
        "start": ("<s> $A", "<s> $A $B"),
    }
    if kind in forms:
        single, pair = forms[kind]
        ids = [(word, vocabulary[word]) for word in special]
        tokenizer.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=ids)
    named = {
        "bert": {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"},
        "roberta": {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>"},
        # As Qwen3-Embedding has it: the padding is also the end of each text.
        "end": {"pad_token": "<|end|>", "eos_token": "<|end|>"},
        "start": {"bos_token": "<s>", "eos_token": "<|end|>"},
        "plain": {"eos_token": "<|end|>"},
    }[kind]
    inputs = ["input_ids", "token_type_ids", "attention_mask"] if kind == "bert" else ["input_ids", "attention_mask"]
    named |= {"unk_token": unknown, "model_input_names": inputs, "model_max_length": 10**30}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named)
    fast.add_special_tokens({"additional_special_tokens": special})
    return fast


def make_config(family, **settings):
    name, size, kind = FAMILIES[family]
    size = size | SMALL_RANGE.get(family, {}) | {"vocab_size": len(make_tokenizer(kind))} | settings
    return getattr(transformers, name)(**size)


MODULES_SETTLED = 0


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Take the modules imported so far out of the collector's walks, once many have come.

    `training.memory.release` collects all twice a stage, and torch, transformers and sklearn are a million objects: a
    walk over them takes longer than a tiny model's training. What is garbage is collected before, and after as ever.
    """
    global MODULES_SETTLED
    if len(sys.modules) > MODULES_SETTLED + 50:
        gc.collect()
        gc.freeze()
        MODULES_SETTLED = len(sys.modules)


@pytest.fixture(scope="session", autouse=True)
def no_sync():
    """Do not wait for the disk: no test can tell, since none cuts the power. A descriptor that is none still fails."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture
def no_figures(monkeypatch):
    """Reports without figures, which take a second and are tested in tests/report."""
    monkeypatch.setattr("tuneoff.report.write_figures", lambda *_: {})


@pytest.fixture(scope="session")
def baselines_once():
    """A function that computes the baselines from texts, and for the same data gives those that it computed."""
    found = {}

    def computed(data):
        labels = [data.train_labels.tolist(), data.test_labels.tolist()]
        key = repr([data.train_texts, data.test_texts, labels, data.train_groups])
        if key not in found:
            found[key] = text_baselines(data)
        return found[key]

    return computed


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """Return a function from a family to the folder of its tiny model, made once."""
    made = {}

    def folder(family):
        if family not in made:
            place = tmp_path_factory.mktemp("models") / f"Tiny_{family}"
            with torch.random.fork_rng():
                torch.manual_seed(0)
                AutoModel.from_config(make_config(family)).save_pretrained(place)
            make_tokenizer(FAMILIES[family][2]).save_pretrained(place)
            made[family] = place
        return made[family]

    return folder


@pytest.fixture
def resolve(model_folder):
    """Return a function from a family and settings to its resolved tiny model."""

    def resolved(family, **settings):
        return resolve_model(ModelSpec(id=str(model_folder(family)), **settings), need_weights=True)

    return resolved


@pytest.fixture
def native(resolve, tmp_path):
    """Return a function from a family to its class for classification, with a random head for two classes, resolved."""

    def resolved(family):
        bare, folder = resolve(family), tmp_path / f"native_{family}"
        AutoModelForSequenceClassification.from_config(bare.config).save_pretrained(folder)
        load_tokenizer(bare).save_pretrained(folder)
        return resolve_model(ModelSpec(id=str(folder), head="native"), need_weights=True)

    return resolved


@pytest.fixture
def tiny_config():
    """Return the function that makes a family's tiny config, with other settings if wanted."""
    return make_config


@pytest.fixture
def tiny_tokenizer():
    """Return the function that makes a tokenizer: bert, roberta, end, start or plain."""
    return make_tokenizer


def make_rows(count, seed):
    """Rows whose label is told by one word: 'cat' or 'dog' in the hypothesis."""
    words = np.random.default_rng(seed)
    rows = []
    for number in range(count):
        label = number % 2
        filler = [str(one) for one in words.choice(["the", "old", "man", "sat", "on", "mat", "ran", "far"], size=6)]
        premise = " ".join(filler[: int(words.integers(1, 6))])
        hypothesis = " ".join([*filler[:2], ("cat", "dog")[label]])
        rows.append({"premise": premise, "hypothesis": hypothesis, "label": ("feline", "canine")[label]})
    return rows


@pytest.fixture
def write_rows(tmp_path):
    """Return a function that writes learnable rows to a JSON lines file and returns its path."""

    def write(name, count, seed=0):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in make_rows(count, seed)), encoding="utf-8")
        return path

    return write


@pytest.fixture
def study(model_folder, write_rows, tmp_path, monkeypatch, baselines_once):
    """Return a function that reads a small study of a tiny model, with changes to its model, task and protocol."""
    monkeypatch.setattr(task_files, "text_baselines", baselines_once)
    monkeypatch.setenv("TUNEOFF_CACHE", str(tmp_path / "cache"))

    def read(techniques=("linear-probe",), family="bert", model=None, task=None, **protocol):
        train = str(write_rows("train.jsonl", 41, seed=1))
        test = str(write_rows("test.jsonl", 17, seed=6))
        mapping = {
            "name": "tiny",
            "model": {"id": str(model_folder(family))} | (model or {}),
            "task": {"train": train, "test": test, "text": ["premise", "hypothesis"], "label": "label"} | (task or {}),
            "techniques": list(techniques),
            "protocol": {"steps": 6, "batch_size": 8, "eval_every": 3, "seeds": 1, "eval_on": "test", "threads": 1}
            | protocol,
        }
        return ReadStudy(study_from_mapping(mapping), tmp_path, "tests")

    return read


class Quiet:
    """A listener that keeps what it hears; `stop_after` asks to stop after so many events."""

    def __init__(self, stop_after=None):
        self.heard = []
        self.records = []
        self.skipped = []
        self.notes = []
        self.stop_after = stop_after

    def watch(self, plan, work):
        return Observer(
            event=lambda stage, row: self.heard.append((stage.address.chain, dict(row))),
            ended=lambda _, record: self.records.append(record),
            skipped=lambda stage, why: self.skipped.append((stage.address.chain, why)),
            stop=lambda: self.stop_after is not None and len(self.heard) >= self.stop_after,
        )

    def features(self, split, done, total):
        pass

    def announce(self, what):
        pass

    def note(self, what):
        self.notes.append(what)


@pytest.fixture
def listener():
    """Return the class of listeners that keep what they hear."""
    return Quiet


@pytest.fixture(scope="session")
def made_up():
    """The class that makes up run directories: made_up(techniques=..., seeds=...).write(folder)."""
    if "fabricate" not in sys.modules:
        spec = importlib.util.spec_from_file_location("fabricate", Path(__file__).with_name("fabricate.py"))
        module = importlib.util.module_from_spec(spec)
        sys.modules["fabricate"] = module
        spec.loader.exec_module(module)
    return sys.modules["fabricate"].Fabricated


TEXTS = ["the cat sat on the mat", "old man", "the dog ran far in rain", "a", "the very old woman reads a book", "cat"]


@pytest.fixture
def make_job(resolve):
    """Return a function that makes a job of a tiny model: six texts, two classes, in float64 if wanted."""

    def make(
        technique="full", family="bert", steps=3, budget=10_000, double=False, dropout=True, model=None, **settings
    ):
        model = model or resolve(family)
        classifier = load_classifier(model, ["no", "yes"], device="cpu")
        init_head(classifier, 3)
        if double:
            classifier.double()
        if not dropout:
            for module in classifier.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
        used = technique if not isinstance(technique, str) else get(technique)
        if isinstance(used, type):
            used = used(used.settings_class(**settings))
        trained = apply_technique(used, classifier, 5)
        tokens = tokenize(model, load_tokenizer(model), (TEXTS, TEXTS[::-1]))
        labels = np.array([0, 1, 1, 0, 1, 0])
        return Job(
            technique=used,
            classifier=classifier,
            trained=trained,
            inputs=TokenInputs({"train": tokens, "test": tokens}, budget, torch.device("cpu")),
            labels={"train": labels, "test": labels},
            optimization=Optimization(used.settings.learning_rate, "constant", 0.0, 0.01, "off"),
            budget=Budget(steps, 4, 2, "test"),
            seed_order=1,
            seed_dropout=2,
            accelerator=Accelerator(cpu=True),
            execution=Execution(budget, torch.get_num_threads(), compact_vocabulary=False, reuse_activations=False),
        )

    return make
