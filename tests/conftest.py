"""Tiny random models of each family with tiny tokenizers, saved as folders like real ones; and a study of one."""

import gc
import json
import os
import sys

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from transformers import AutoModel, AutoModelForSequenceClassification

from tests.tiny_models import FAMILIES, make_config, make_tokenizer
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
    from tests.fabricate import Fabricated

    return Fabricated


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
