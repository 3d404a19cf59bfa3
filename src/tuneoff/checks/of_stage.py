"""A planned stage as a loop to check: its real model, a few short examples of train, the technique's own hooks."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor

from tuneoff.checks.loop import Loop, Rows
from tuneoff.checks.messages import message
from tuneoff.models.classifier import TextClassifier
from tuneoff.models.resolve import ResolvedModel
from tuneoff.models.text import Tokens, collate
from tuneoff.planned import PlannedStage
from tuneoff.techniques.base import Technique
from tuneoff.training.build import (
    Ancestor,
    apply_technique,
    build_classifier,
    fitting,
    make_technique,
    sketch,
    trainable,
)
from tuneoff.training.device import autocast
from tuneoff.training.inputs import TokenInputs
from tuneoff.training.seeds import derive
from tuneoff.training.workplace import Workplace

EXAMPLES = 8
EXAMPLE_TOKENS = 64  # texts up to this length are taken where there are enough: the checks are to take seconds
TOLERANCE = {"fp32": 1e-3, "bf16": 5e-2}


def examples(place: Workplace, count: int = EXAMPLES) -> tuple[Tokens, NDArray[np.int64]]:
    """Return token ids and class numbers of a few rows of train, unlike each other, of every class by turns.

    They are spread over the lengths up to EXAMPLE_TOKENS, or over the shortest rows where there are too few of these.
    """
    ids, labels = place.tokens()["train"].ids, place.data.splits["train"].labels
    assert labels is not None
    unlike = {row.tobytes(): number for number, row in reversed(list(enumerate(ids)))}
    by_length = sorted(unlike.values(), key=lambda number: (len(ids[number]), number))
    short = [number for number in by_length if len(ids[number]) <= EXAMPLE_TOKENS]
    pool = short if len(short) >= count else by_length[:count]
    classes = [[number for number in pool if labels[number] == one] for one in np.unique(labels[pool])]
    share = -(-count // len(classes))
    spread = [
        [rows[place] for place in np.linspace(0, len(rows) - 1, min(share, len(rows))).astype(int)] for rows in classes
    ]
    turns = [rows[turn] for turn in range(share) for rows in spread if turn < len(rows)][:count]
    return Tokens([ids[number] for number in turns], 0), labels[turns]


def classifier_of(
    stage: PlannedStage, place: Workplace, ancestors: Sequence[Ancestor] = (), seed: int | None = None
) -> tuple[Technique, TextClassifier]:
    """Return a stage's technique and its classifier with the technique applied, as before the stage's first step."""
    technique = make_technique(stage.spec)
    first = seed_of(stage) if seed is None else seed
    classifier = build_classifier(place.model, place.data.classes, ancestors, place.accelerator.device, first)
    inputs = inputs_of(place, {"train": place.tokens()["train"]})
    with fitting(stage.spec, place.model):
        apply_technique(technique, classifier, first, inputs.batches(classifier, "train"))
    return technique, classifier


def spec_of(model: ResolvedModel) -> dict[str, Any]:
    """Return a resolved model as a study file would name it, every default written out, for another process."""
    assert model.folder is not None
    return {
        "id": str(model.folder),
        "name": model.name,
        "pooling": model.pooling,
        "head": model.head,
        "prefix": model.prefix,
        "template": model.template,
        "max_length": model.max_length,
        "trust_remote_code": model.trust_remote_code,
        "load": model.load,
    }


def seed_of(stage: PlannedStage) -> int:
    """Return the seed that initialises a stage's head and modules."""
    return derive(stage.address.seed, "init", stage.spec.index)


def inputs_of(place: Workplace, tokens: dict[str, Tokens]) -> TokenInputs:
    """Return inputs of padded texts on the place's device."""
    return TokenInputs(tokens, place.execution.micro_tokens, place.accelerator.device)


def loop_of(stage: PlannedStage, place: Workplace) -> Loop:
    """Return the loop of a stage as if it came first: its parents, which take hours, have not been trained yet."""
    technique, classifier = classifier_of(stage, place)
    tokens, labels = examples(place)
    device, context = place.accelerator.device, autocast(place.accelerator.device, place.precision)
    inputs = inputs_of(place, {"examples": tokens})
    trained = trainable(classifier)
    optimization = replace(stage.optimization, schedule="constant", warmup=0.0, weight_decay=0.0)

    def logits(rows: Rows) -> Tensor:
        with context():
            return inputs.logits(classifier, "examples", np.array(rows, dtype=np.int64))

    def shortened(row: int) -> Tensor:
        ids, mask = (one.to(device) for one in collate([tokens.ids[row][:-1]], classifier.pad_id, classifier.pad_side))
        with torch.no_grad(), context():
            found: Tensor = classifier(ids, mask)
            return found

    def optimizer(rate: float) -> torch.optim.Optimizer:
        made = technique.optimizer(trained, replace(optimization, learning_rate=rate))
        for group in made.param_groups:
            group["lr"] = rate * group.get("rate_factor", 1.0)
        return made

    def fit() -> None:
        rows = np.arange(len(labels), dtype=np.int64)
        with torch.no_grad(), context():
            vectors = inputs.vectors(classifier, "examples", rows)
        technique.fit(classifier, vectors, torch.from_numpy(labels).to(device))

    technique.hear_train(labels, None)
    first = set(technique.trainable_at(0, stage.budget.steps if stage.budget else 1, trained.keys()))
    return Loop(
        about=message("stage", technique=stage.spec.chain.rpartition("+")[2], model=place.model.name),
        model=classifier,
        labels=torch.from_numpy(labels).to(device),
        classes=len(place.data.classes),
        logits=logits,
        # What the nearest of a few rows say may stay the same without a token.
        shortened=None if technique.gradient_free else shortened,
        trained=trained,
        fit=fit if technique.gradient_free else None,
        expected=frozenset(trainable(sketch(make_technique(stage.spec), place.model, len(place.data.classes)))),
        late=frozenset(trained.keys() - first),
        head=classifier.head.weight if isinstance(classifier.head, torch.nn.Linear) else None,
        train_mode=lambda: technique.train_mode(classifier),
        eval_mode=classifier.eval,
        loss=lambda found, wanted: technique.loss(found, wanted).mean(),
        optimizer=optimizer,
        after_step=lambda step: technique.after_step(classifier, step),
        batch_matters_on_purpose=classifier.depends_on_batch,
        tolerance=TOLERANCE[place.precision],
        seed=derive(stage.address.seed, "dropout", stage.spec.index),
    )


def save_trained(loop: Loop, path: Path) -> None:
    """Write what a loop trains, as a stage's weights are kept."""
    save_file({name: value.detach().cpu().contiguous() for name, value in loop.trained.items()}, path)
