"""A task as it is trained on: splits of texts and labels, checked, with a fingerprint."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

ALSO = "also:"
"""Before the name of a further test set, in the name of its split."""


@dataclass(frozen=True)
class Split:
    """Rows of one split.

    `texts` has one entry a text field, each with n strings. `labels` has n class numbers (None where the split is
    unlabelled). `rows` are the rows' numbers in their file, `source_ids` their own ids as text (None where they have
    none), `groups` the values that keep rows together (None: no groups), `columns` any other columns, for slices.
    """

    name: str
    texts: tuple[list[str], ...]
    labels: NDArray[np.int64] | None
    rows: NDArray[np.int64]
    source_ids: list[str | None]
    groups: list[str] | None = None
    columns: Mapping[str, list[str]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts[0])


@dataclass(frozen=True)
class TaskData:
    """A task, loaded and checked: class names in their order, splits by name (train, dev, test, unlabelled, also:*).

    `fingerprint` is a sha256 over all that reaches a model or a metric: field count, classes, and each split's texts,
    labels and order, but for the further test sets, which change nothing that is trained: `also` has their own sha256
    by name. `notes` are sentences for the report (overlaps between splits, a dev cut out of train).
    `label` is the name shown to readers, `source` where it came from (hub id and revision, or file names).
    """

    name: str
    label: str
    classes: tuple[str, ...]
    text_fields: tuple[str, ...]
    splits: Mapping[str, Split]
    fingerprint: str
    source: str
    notes: tuple[str, ...] = ()
    also: Mapping[str, str] = field(default_factory=dict)
