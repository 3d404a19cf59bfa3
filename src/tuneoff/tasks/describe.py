"""A task in numbers, for the store and for the table of data in the report."""

from typing import Any

import numpy as np

from tuneoff.tasks.data_set import Split, TaskData
from tuneoff.tasks.raw import fingerprint

EXAMPLES = 2
EXAMPLE_LENGTH = 300


def describe(data: TaskData) -> dict[str, Any]:
    """Return a task as JSON values: names, splits with rows, label counts and text lengths, notes, two examples.

    Lengths are characters (code points). `labels` is None for a split without labels. `test_fingerprint` is of the
    classes and of test alone: studies that share it were measured on the same examples.
    """
    return {
        "name": data.name,
        "label": data.label,
        "source": data.source,
        "fingerprint": data.fingerprint,
        "test_fingerprint": fingerprint(data.classes, {"test": data.splits["test"]}),
        "classes": list(data.classes),
        "text_fields": list(data.text_fields),
        "splits": {name: _describe_split(split, data) for name, split in data.splits.items()},
        "notes": list(data.notes),
        "examples": [_example(data, row) for row in range(min(EXAMPLES, len(data.splits["train"])))],
    }


def _describe_split(split: Split, data: TaskData) -> dict[str, Any]:
    return {
        "rows": len(split),
        "labels": _label_counts(split, data.classes),
        "characters": {name: _lengths(texts) for name, texts in zip(data.text_fields, split.texts, strict=True)},
    }


def _label_counts(split: Split, classes: tuple[str, ...]) -> dict[str, int] | None:
    if split.labels is None:
        return None
    counts = np.bincount(split.labels, minlength=len(classes)).tolist()
    return dict(zip(classes, counts, strict=True))


def _lengths(texts: list[str]) -> dict[str, float | int]:
    lengths = [len(text) for text in texts]
    return {"mean": float(np.mean(lengths)), "median": float(np.median(lengths)), "max": max(lengths)}


def _example(data: TaskData, row: int) -> dict[str, Any]:
    train = data.splits["train"]
    texts = {name: _cut(values[row]) for name, values in zip(data.text_fields, train.texts, strict=True)}
    label = None if train.labels is None else data.classes[train.labels[row]]
    return {"texts": texts, "label": label}


def _cut(text: str) -> str:
    return text if len(text) <= EXAMPLE_LENGTH else text[: EXAMPLE_LENGTH - 1] + "…"
