"""Labels and probabilities for new texts, by the classifier of a finished run."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from tuneoff.errors import DataError, ModelError
from tuneoff.evidence.metrics import probabilities
from tuneoff.evidence.results import asked_task
from tuneoff.models.classifier import TextClassifier
from tuneoff.models.pairs import pair_features
from tuneoff.models.text import load_tokenizer, tokenize
from tuneoff.store import StageAddress, Store
from tuneoff.study import GPU_FORWARD_TOKENS, MICRO_TOKENS
from tuneoff.tasks.benchmark import DECLARED, Declaration, composed
from tuneoff.tasks.registry import built_in_tasks
from tuneoff.tasks.stream import read_chunks
from tuneoff.tasks.table import Table
from tuneoff.trained import TrainedClassifier, find_run, load_trained_classifier
from tuneoff.training.device import Precision, autocast, choose_device, usable_threads
from tuneoff.training.inputs import TokenInputs
from tuneoff.training.order import Rows
from tuneoff.training.shortage import in_parts, smaller_budget

if TYPE_CHECKING:
    import pandas as pd

    from tuneoff.study import Protocol

CHUNK = 8192  # rows that are read, sorted by length and computed together
ID_COLUMNS = ("idx", "id")
NEW = "new"  # the only split of the inputs
Compute = Callable[[TokenInputs, TextClassifier, str, Rows], torch.Tensor]


@dataclass(frozen=True)
class Predictions:
    """What is predicted of some rows, in their order.

    `first` is the first row's number in the file, from 0. `ids` are the rows' own, under the column `id_column` (None
    where there is none). `labels` are class numbers [N], `probabilities` [N, C].
    """

    table: Table
    first: int
    classes: tuple[str, ...]
    id_column: str | None
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield each row as it is written: its id if there is one, its number and label, each class's probability."""
        names = [f"probability_{name}" for name in self.classes]
        for place, (label, shares) in enumerate(zip(self.labels.tolist(), self.probabilities.tolist(), strict=True)):
            own = {} if self.id_column is None else {self.id_column: self.table.rows[place].get(self.id_column)}
            yield {
                **own,
                "row": self.first + place,
                "label": self.classes[label],
                **dict(zip(names, shares, strict=True)),
            }


class Predictor:
    """A finished run's classifier on this machine's device; see `find_run` for which run is meant.

    Raises StoreError or ModelError where there is no such run, or its weights or model are not here.
    """

    def __init__(
        self,
        store: Store,
        *,
        technique: str | None = None,
        model: str | None = None,
        task: str | None = None,
        seed: int | None = None,
    ) -> None:
        self.address = find_run(store, technique=technique, model=model, task=task, seed=seed)
        torch.set_num_threads(usable_threads())
        self.device = choose_device(_anywhere())
        self.trained: TrainedClassifier = load_trained_classifier(store, self.address, device=self.device)
        self.text_fields: tuple[str, ...] = tuple(store.task(self.address.model, self.address.task)["text_fields"])
        self.benchmark = _declaration(store, self.address)
        # As it was evaluated; but a CPU has no bf16 that pays.
        machine = self.trained.record.machine
        self.precision: Precision = machine["precision"] if machine["device"] == self.device.type else "fp32"
        self.budget = GPU_FORWARD_TOKENS if self.device.type == "cuda" else MICRO_TOKENS

    def read(
        self, path: Path, size: int = CHUNK, progress: Callable[[float], None] = lambda _: None
    ) -> Iterator[Predictions]:
        """Yield what is predicted of a file's rows, a chunk of at most `size` rows at a time, in the file's order.

        `progress` is called with the share of the file that is done. Raises DataError for what cannot be read.
        """
        size = self._whole_batches(size)
        done, column = 0.0, None
        own = self.benchmark is not None and self.benchmark.unquoted
        unquoted = own and path.suffix.lower() == ".tsv"
        for chunk in read_chunks(path, str(path), size, unquoted=unquoted):
            begun = done
            if not chunk.first:  # the rows of a file have the same columns
                column = _id_column(chunk.table)

            def within(share: float, begun: float = begun, width: float = chunk.share - done) -> None:
                progress(begun + share * width)

            yield self._predict(chunk.table, chunk.first, column, within)
            done = chunk.share

    def predict(self, table: Table) -> Predictions:
        """Return what is predicted of a table's rows; DataError where one has no text in a column of the study's."""
        return self._predict(table, 0, _id_column(table), lambda _: None)

    def _predict(
        self, table: Table, first: int, id_column: str | None, progress: Callable[[float], None]
    ) -> Predictions:
        shaped = table if self.benchmark is None else composed(self.benchmark, table)
        texts = tuple(shaped.texts(column) for column in self.text_fields)
        logits = self.logits(texts, progress, table)
        shares = probabilities(logits.astype(np.float64))
        return Predictions(table, first, self.trained.classes, id_column, logits.argmax(axis=1), shares)

    def logits(
        self,
        texts: tuple[list[str], ...],
        progress: Callable[[float], None] = lambda _: None,
        table: Table | None = None,
    ) -> NDArray[np.float32]:
        """Return the logits [N, C] of rows of one or two texts (one list a field), computed in parts of like length.

        A part that runs out of memory is computed again in smaller ones. `table` names the rows in messages.
        """
        classifier = self.trained.classifier
        if not self.trained.technique.reads_pairs:
            return self._in_order(texts, TokenInputs.logits, progress, table).numpy()
        vectors = []
        for number, column in enumerate(texts):

            def within(share: float, number: int = number) -> None:
                progress((number + share) / len(texts))

            vectors.append(self._in_order((column,), TokenInputs.vectors, within, table))
        with torch.inference_mode():
            found: NDArray[np.float32] = classifier.classify(pair_features(*vectors).to(self.device)).cpu().numpy()
        return found

    def _in_order(
        self, texts: tuple[list[str], ...], compute: Compute, progress: Callable[[float], None], table: Table | None
    ) -> torch.Tensor:
        """Return what `compute` makes of each row, in the order of rows, float32 on the CPU."""
        classifier = self.trained.classifier
        packed = classifier.packable and self.device.type == "cpu"
        inputs = TokenInputs(
            {NEW: self._tokens(texts, table)},
            self.budget,
            self.device,
            packed=packed,
            as_one=classifier.depends_on_batch,
        )
        inputs.suit(classifier, packed)
        lengths = inputs.lengths[NEW]
        done, whole = 0, int(lengths.sum())

        def part(rows: Rows) -> torch.Tensor:
            nonlocal done
            values = compute(inputs, classifier, NEW, rows).float().cpu()
            done += int(lengths[rows].sum())
            progress(done / whole)
            return values

        def need_less(left: Rows) -> bool:
            smaller = smaller_budget(inputs, NEW, left)
            self.budget = inputs.budget = smaller or inputs.budget
            return smaller is not None

        found: list[tuple[Rows, torch.Tensor]] = []
        with torch.inference_mode(), autocast(self.device, self.precision)():
            for batch in self._batches(len(lengths)):
                found += in_parts(inputs, NEW, batch, part, need_less)
        together = torch.cat([values for _, values in found])
        ordered = torch.empty_like(together)
        ordered[np.concatenate([rows for rows, _ in found])] = together
        return ordered

    def _tokens(self, texts: tuple[list[str], ...], table: Table | None) -> Any:
        tokenizer = load_tokenizer(self.trained.model)
        try:
            return tokenize(self.trained.model, tokenizer, texts)
        except ModelError as error:
            if table is None:
                raise
            # Its row is one of this chunk; which one in the file is for the table to say.
            for place, row in enumerate(zip(*texts, strict=True)):
                try:
                    tokenize(self.trained.model, tokenizer, tuple([text] for text in row))
                except ModelError as reason:
                    raise DataError(f"{table.where(place)}: the model cannot read this row ({reason})") from error
            raise

    def _batches(self, count: int) -> list[Rows]:
        """Return rows as one batch, or as they were evaluated where a text's logits depend on its batch."""
        rows = np.arange(count, dtype=np.int64)
        if not self.trained.classifier.depends_on_batch:
            return [rows]
        size = int(self.trained.record.budget["batch_size"])
        return [rows[start : start + size] for start in range(0, count, size)]

    def _whole_batches(self, size: int) -> int:
        """Return a chunk's rows such that no batch is cut in two, where that matters."""
        if not self.trained.classifier.depends_on_batch:
            return size
        batch = int(self.trained.record.budget["batch_size"])
        return max(batch, size - size % batch)


def predict(
    path: str | Path,
    data: "str | Path | pd.DataFrame",
    *,
    technique: str | None = None,
    model: str | None = None,
    task: str | None = None,
    seed: int | None = None,
) -> "pd.DataFrame":
    """Return labels and probabilities for new texts, by a finished run of a run directory.

    `data` is a file (.jsonl, .csv, .tsv, .parquet) or a data frame with the study's text columns. The technique must be
    named if there are several; the seed is the first that is done. The frame has the rows' `idx` or `id` if they have
    one, `row`, `label` and `probability_<class>`. Raises TuneoffError for what is not there or cannot be used.
    """
    import pandas as pd

    predictor = Predictor(Store.existing(Path(path)), technique=technique, model=model, task=task, seed=seed)
    if isinstance(data, pd.DataFrame):
        columns = tuple(map(str, data.columns))
        records = [dict(zip(columns, row, strict=True)) for row in data.itertuples(index=False, name=None)]
        if not records:
            raise DataError("tuneoff.predict: the data frame has no rows.")
        found = [predictor.predict(Table("the data frame", columns, records, range(len(records)), "row"))]
    else:
        found = list(predictor.read(Path(data)))
    return pd.DataFrame([row for one in found for row in one.rows()])


def _declaration(store: Store, address: StageAddress) -> Declaration | None:
    """Return the declaration of a run's task, if it is one of a benchmark's."""
    built_in_tasks()  # which makes the declarations
    return DECLARED.get(str(asked_task(store.study(), address.task).get("name")))


def _id_column(table: Table) -> str | None:
    return next((name for name in ID_COLUMNS if name in table.columns), None)


def _anywhere() -> "Protocol":
    """Return a protocol that leaves the device open: a run may be used on another machine than it was trained on."""
    from tuneoff.study import Protocol

    return Protocol()
