import numpy as np
import pytest
import torch
from accelerate import Accelerator

from tuneoff.models.classifier import init_head, load_classifier
from tuneoff.models.text import load_tokenizer, tokenize
from tuneoff.techniques import get
from tuneoff.techniques.base import Optimization
from tuneoff.training.build import apply_technique
from tuneoff.training.inputs import TokenInputs
from tuneoff.training.job import Budget, Job

TEXTS = ["the cat sat on the mat", "old man", "the dog ran far in rain", "a", "the very old woman reads a book", "cat"]


@pytest.fixture
def make_job(resolve):
    """Return a function that makes a job of a tiny model: six texts, two classes, in float64 if wanted."""

    def make(technique="full", family="bert", steps=3, budget=10_000, double=False, dropout=True, **settings):
        model = resolve(family)
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
        )

    return make
