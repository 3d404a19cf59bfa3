"""What the stages of one model on one task share: its files, tokens and vectors, made once."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from tuneoff.files import digest
from tuneoff.models.activation_cache import (
    Cost,
    Features,
    HiddenStates,
    Kind,
    cache_limit,
    cached_features,
    cached_hidden,
)
from tuneoff.models.classifier import TextClassifier
from tuneoff.models.compaction import CompactVocabulary, compactable
from tuneoff.models.mapped_file import Put, Shape
from tuneoff.models.pairs import pair_features
from tuneoff.models.resolve import ResolvedModel
from tuneoff.models.text import Tokens, forget_tokenizers, load_tokenizer, reading, tokenize
from tuneoff.plan import SEMANTICS
from tuneoff.tasks.data_set import ALSO, TaskData
from tuneoff.training.build import Ancestor, build_classifier
from tuneoff.training.device import Precision, autocast
from tuneoff.training.inputs import TokenInputs
from tuneoff.training.job import Execution
from tuneoff.training.order import Rows
from tuneoff.training.shortage import in_parts, smaller_budget

USED = ("train", "dev", "test")
SINGLE = "single texts"


@dataclass(frozen=True)
class Lengths:
    """How long a split's texts are in tokens, an array [rows], and how many of them had to be shortened."""

    lengths: NDArray[np.int64]
    cut: int

    @property
    def mean(self) -> float:
        """The mean number of tokens of a row."""
        return int(self.lengths.sum()) / len(self.lengths)


@dataclass
class Workplace:
    """One model, one task, one device. Tokens are made when first asked for, vectors once per state of the backbone.

    `progress` is called with the split, the tokens done and the tokens in all while vectors are computed; `note` with
    what a user may want to know, such as that the cache is too small. `automatic_budget` lets each stage choose its
    token budget from the GPU's free memory; `limit` is the memory in bytes that a stage may take, None for all. Raises
    StoreError where the cache's limit is no size.
    """

    model: ResolvedModel
    data: TaskData
    accelerator: Accelerator
    precision: Precision
    execution: Execution
    progress: Callable[[str, int, int], None] = lambda *_: None
    note: Callable[[str], None] = lambda _: None
    automatic_budget: bool = False
    limit: int | None = None

    def __post_init__(self) -> None:
        cache_limit()
        self.tokenize_seconds = 0.0
        self._tokenizing_charged = False
        self._tokens: Mapping[str, Tokens] | None = None
        self._aside: dict[str, NDArray[np.int32]] = {}
        self._read: dict[str, Lengths] = {}
        self._features: dict[str, Features] = {}
        self._hidden: dict[str, HiddenStates] = {}
        self.untouched: NDArray[np.float32] | None = None  # vectors of test's first rows, see `moved`

    @property
    def splits(self) -> list[str]:
        """The labelled splits of the task."""
        return [*(name for name in USED if name in self.data.splits), *(ALSO + name for name in self.data.also)]

    def tokens(self) -> Mapping[str, Tokens]:
        """Return the token ids of every labelled split; the tokenizer is let go afterwards."""
        if self._tokens is None and self._aside:
            self._tokens = {name: self._taken_back(name) for name in self.splits}
        elif self._tokens is None:
            begun = time.perf_counter()
            tokenizer = load_tokenizer(self.model)
            self._tokens = {name: tokenize(self.model, tokenizer, self.data.splits[name].texts) for name in self.splits}
            reading(self.model)
            forget_tokenizers()
            self.tokenize_seconds = time.perf_counter() - begun
            for name, one in self._tokens.items():
                lengths = np.fromiter(map(len, one.ids), dtype=np.int64, count=len(one.ids))
                self._read[name] = Lengths(lengths, one.cut)
        self._aside = {}
        return self._tokens

    def read(self) -> Mapping[str, Lengths]:
        """Return how long the texts of every labelled split are in tokens; no tokens are taken out for that."""
        if not self._read:
            self.tokens()
        return self._read

    def put_away(self) -> None:
        """Let go of what is made anew when asked for: vectors, open caches, and a token array for every row.

        Of the tokens one array a split is left, since reading all texts again would take its time. For studies of
        several tasks, when the next one begins.
        """
        if self._tokens is not None:
            self._aside = {
                name: np.concatenate([np.asarray(ids, dtype=np.int32) for ids in one.ids])
                for name, one in self._tokens.items()
            }
        self._tokens, self._features, self._hidden = None, {}, {}

    def _taken_back(self, split: str) -> Tokens:
        read = self._read[split]
        ends = np.cumsum(read.lengths)[:-1]
        return Tokens(np.split(self._aside[split], ends), read.cut)

    def tokenizing_to_charge(self) -> float:
        """Return the seconds that tokenizing took, once: the stage that asks first bears them, the others none."""
        seconds = 0.0 if self._tokenizing_charged else self.tokenize_seconds
        self._tokenizing_charged = True
        return seconds

    def features(self, ancestors: Sequence[Ancestor]) -> Features:
        """Return the pooled vectors of every labelled split as the backbone stands after these ancestors."""
        changed = [ancestor for ancestor in ancestors if ancestor.changes_backbone]
        key = self._key("features", self.model.keyed(), changed)
        if key in self._features:
            return replace(self._features[key], computed_now=False)
        features = cached_features(
            key, lambda: self._compute_features(changed, self.tokens(), self.tokenize_seconds), self.note
        )
        self._features = {key: features}
        return features

    def pair_features(self, ancestors: Sequence[Ancestor]) -> Features:
        """Return [u; v; |u-v|; u*v] of every row of every labelled split, u and v being the vectors of its two texts.

        Each text is read by itself, with the model's prefix and special tokens, and equal ones once; what is cached are
        their vectors.
        """
        changed = [ancestor for ancestor in ancestors if ancestor.changes_backbone]
        columns = {split: self.data.splits[split].texts for split in self.splits}
        unlike = list(dict.fromkeys(text for column in columns.values() for texts in column for text in texts))
        number = {text: row for row, text in enumerate(unlike)}
        key = self._key("features", {**self.model.keyed(), "texts": SINGLE}, changed)

        def compute() -> Features:
            begun = time.perf_counter()
            tokens = tokenize(self.model, load_tokenizer(self.model), (unlike,))
            forget_tokenizers()
            return self._compute_features(changed, {SINGLE: tokens}, time.perf_counter() - begun)

        found = cached_features(key, compute, self.note)
        vectors = {}
        for split, column in columns.items():
            u, v = (found.vectors[SINGLE][[number[text] for text in texts]] for texts in column)
            vectors[split] = pair_features(u, v)
        return replace(found, vectors=vectors)

    def hidden(
        self,
        layer: int,
        ancestors: Sequence[Ancestor],
        shapes: Mapping[str, Shape],
        dtype: torch.dtype,
        compute: Callable[[Put], Cost],
    ) -> HiddenStates | None:
        """Return what a layer is given for every labelled split, or None where the cache cannot hold it.

        `ancestors` are those that changed something below the layer.
        """
        # Pooling and head come after the last layer.
        model = {name: value for name, value in self.model.keyed().items() if name not in ("pooling", "head")}
        key = self._key("hidden", {**model, "layer": layer}, ancestors)
        if key in self._hidden:
            return replace(self._hidden[key], computed_now=False)
        self._hidden = {}  # what is not open may be deleted to make room
        states = cached_hidden(key, shapes, dtype, compute, self.note)
        if states is not None:
            self._hidden = {key: states}
        return states

    def _key(self, kind: Kind, model: Mapping[str, Any], ancestors: Sequence[Ancestor]) -> str:
        return digest(
            {
                "kind": kind,
                "semantics": SEMANTICS,
                "model": model,
                "task": self.data.fingerprint,
                "splits": self.splits,
                **({"also": dict(self.data.also)} if self.data.also else {}),
                "precision": self.precision,
                "backbone": [ancestor.key for ancestor in ancestors],
            }
        )

    def _compute_features(
        self, ancestors: Sequence[Ancestor], tokens: Mapping[str, Tokens], tokenizing: float
    ) -> Features:
        begun = time.perf_counter()
        device = self.accelerator.device
        classifier = build_classifier(self.model, self.data.classes, ancestors, device, head_seed=0)
        loaded = time.perf_counter()
        packed = self.execution.packs(classifier)
        inputs = TokenInputs(tokens, self.execution.micro_tokens, device, packed=packed)
        if self.execution.compact_vocabulary and compactable(classifier):
            CompactVocabulary(classifier, [ids for split in inputs.ids.values() for ids in split])
        started = time.perf_counter()
        vectors: dict[str, torch.Tensor] = {}
        with torch.inference_mode(), autocast(device, self.precision)():
            for split in tokens:
                vectors[split] = self.vectors(classifier, inputs, split)
        count = int(sum(lengths.sum() for lengths in inputs.lengths.values()))
        cost = Cost(loaded - begun, tokenizing, time.perf_counter() - started, count)
        return Features(vectors, cost, computed_now=True)

    def vectors(self, classifier: TextClassifier, inputs: TokenInputs, split: str) -> torch.Tensor:
        """Return the vectors of a split in row order, computed in smaller parts where memory runs out."""
        lengths = inputs.lengths[split]
        done = 0

        def compute(rows: Rows) -> torch.Tensor:
            nonlocal done
            vectors = inputs.vectors(classifier, split, rows).cpu()
            done += int(lengths[rows].sum())
            self.progress(split, done, int(lengths.sum()))
            return vectors

        def need_less(left: Rows) -> bool:
            smaller = smaller_budget(inputs, split, left)
            inputs.budget = smaller or inputs.budget
            return smaller is not None

        found = in_parts(inputs, split, np.arange(len(lengths), dtype=np.int64), compute, need_less)
        together = torch.cat([vectors for _, vectors in found])
        ordered = torch.empty_like(together)
        ordered[np.concatenate([rows for rows, _ in found])] = together
        return ordered
