"""The texts of the task as token ids: the same for every peer, made by tuneoff's own reading of the model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import Measurement
from benchmarks.setting import Setting
from tuneoff.models.resolve import ResolvedModel, resolve_model
from tuneoff.models.text import load_tokenizer, tokenize
from tuneoff.study import ModelSpec, TaskSpec
from tuneoff.tasks import load_task
from tuneoff.tasks.data_set import TaskData

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Texts:
    """The rows of train and test as token ids and class numbers, and what they were made with."""

    model: ResolvedModel
    data: TaskData
    tokenizer: "PreTrainedTokenizerBase"
    ids: Mapping[str, list[list[int]]]
    labels: Mapping[str, NDArray[np.int64]]

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.data.classes)

    def lengths(self, split: str) -> list[int]:
        """Return the real tokens of each row."""
        return [len(row) for row in self.ids[split]]


def read_texts(setting: Setting, found: Measurement, *, limit: int | None) -> Texts:
    """Read, check and tokenize the task; what is only tuneoff's habit (hashing the model's files) is put apart."""
    with found.phase("apart"):
        model = resolve_model(ModelSpec(id=setting.model), need_weights=False)
    with found.phase("tokenize"):
        settings: dict[str, Any] = {**setting.task, "limit": limit}
        data = load_task(TaskSpec(**settings), need_dev=False, base=Path())
        tokenizer = load_tokenizer(model)
        ids, labels = {}, {}
        for name in SPLITS:
            split = data.splits[name]
            assert split.labels is not None
            ids[name] = [row.tolist() for row in tokenize(model, tokenizer, split.texts).ids]
            labels[name] = split.labels
    return Texts(model, data, tokenizer, ids, labels)
