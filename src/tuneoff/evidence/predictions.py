"""Reading one evaluation out of a stage's predictions, without the others."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tuneoff.errors import StoreError
from tuneoff.evidence.metrics import Labels, Logits

KEPT, SMALL = 2_000, 200_000  # evaluations kept in memory, and the bytes of a file that is small enough for it


@dataclass(frozen=True)
class Evaluation:
    """The labels (n,) and logits (n, classes) of one split at one step of a stage."""

    step: int
    labels: Labels
    logits: Logits


def last_evaluation(path: Path, split: str, expected_step: int | None) -> Evaluation | None:
    """Return a split's last evaluation in a predictions file, None if the file or the split is not there.

    `expected_step` is where it should be: only those rows are then decoded, which matters when every evaluation is
    kept. Raises StoreError where the file cannot be read or its rows do not have the same number of logits.
    """
    if not path.is_file():
        return None
    state = path.stat()
    read = _read_once if state.st_size <= SMALL else _read
    return read(path, split, expected_step, state.st_size, state.st_mtime_ns)


def _read(path: Path, split: str, expected_step: int | None, _size: int, _changed: int) -> Evaluation | None:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    columns, chosen = ["step", "label", "logits"], [("split", "==", split)]
    try:
        table = None
        if expected_step is not None:
            table = pq.read_table(path, columns=columns, filters=[*chosen, ("step", "==", expected_step)])
        if table is None or not table.num_rows:
            table = pq.read_table(path, columns=columns, filters=chosen)
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{path}: cannot be read ({error}); delete its folder and run the study again") from error
    if not table.num_rows:
        return None
    steps = table["step"].to_numpy()
    last = steps.max()
    table = table.filter(pa.array(steps == last))
    logits = table["logits"].combine_chunks()
    if len(pc.unique(pc.list_value_length(logits))) != 1:
        raise StoreError(f"{path}: rows with different numbers of logits; delete its folder and run the study again")
    values = logits.flatten().to_numpy(zero_copy_only=False).astype(np.float64).reshape(table.num_rows, -1)
    labels = table["label"].to_numpy().astype(np.int64)
    for array in (labels, values):
        array.setflags(write=False)
    return Evaluation(int(last), labels, values)


# Results ask for an evaluation several times; a file that changed in size or time is read again.
_read_once = lru_cache(maxsize=KEPT)(_read)


def evaluated_rows(path: Path, split: str, step: int) -> NDArray[np.int64] | None:
    """Return the numbers of the rows of a split's evaluation, in the order of `last_evaluation`; None if not kept."""
    import pyarrow.parquet as pq

    if "row" not in pq.read_schema(path).names:
        return None
    table = pq.read_table(path, columns=["row"], filters=[("split", "==", split), ("step", "==", step)])
    return np.asarray(table["row"].to_numpy(), dtype=np.int64)
