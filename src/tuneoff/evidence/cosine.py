"""The baseline that an untrained model gives: the cosine of its vectors of the two texts of a pair.

It is of a model and a task, so it stands in stages/<model>/<task>/ of the run directory, and reading it needs no model.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tuneoff.evidence.baselines import Baseline, cosine_threshold
from tuneoff.evidence.task_files import rows_of, write_baselines
from tuneoff.files import digest
from tuneoff.store import Store, read_json

if TYPE_CHECKING:
    from tuneoff.tasks import TaskData

COSINE = "cosine.json", "cosine.parquet"
COSINE_VERSION = 2
MOST_TRAIN_ROWS = 500  # one threshold is chosen on them, and a forward pass costs more than words

Texts = tuple[list[str], list[str]]


def keep_cosine(
    store: Store,
    place: tuple[str, str],
    data: "TaskData",
    keyed: Mapping[str, Any],
    cosines: Callable[[Texts], NDArray[np.float64] | str],
) -> None:
    """Compute the cosine baseline of a model and a task and write it, unless it is there for the same of both.

    Nothing is done for tasks other than pairs of texts in two classes. `place` are the names of model and task, `keyed`
    what the model's vectors depend on, and `cosines` gives the cosine of each pair (rows,), or why it cannot.
    """
    if len(data.text_fields) != 2 or len(data.classes) != 2:
        return
    train, test = data.splits["train"], data.splits["test"]
    assert train.labels is not None and test.labels is not None
    used = min(len(train), MOST_TRAIN_ROWS)
    chosen = np.linspace(0, len(train) - 1, used).round().astype(int)  # a file may be sorted by label
    key = digest({"version": COSINE_VERSION, "data": data.fingerprint, "model": dict(keyed), "rows": used})
    folder = store.root / "stages" / place[0] / place[1]
    if (folder / COSINE[0]).is_file() and read_json(folder / COSINE[0]).get("key") == key:
        return
    begun = time.perf_counter()
    first, second = (
        [*(mine[row] for row in chosen), *theirs] for mine, theirs in zip(train.texts, test.texts, strict=True)
    )
    values = cosines((first, second))
    if isinstance(values, str):
        found = Baseline("cosine", None, None, 0.0, {}, values)
    else:
        found = cosine_threshold(values[:used], train.labels[chosen], values[used:], test.labels)
        if "above" in found.chosen:
            found = replace(found, chosen={**found.chosen, "above": data.classes[int(found.chosen["above"])]})
        found = replace(found, seconds=time.perf_counter() - begun)
    note = None if used == len(train) else f"of the {len(train):,} rows of train {used:,}, evenly spaced, were used"
    write_baselines(folder, COSINE, [found], {"key": key, "fingerprint": data.fingerprint, "note": note}, data)


def cosine_rows(store: Store, model: str, task: str, fingerprint: str | None) -> list[dict[str, Any]] | None:
    """Return the cosine baseline as results.json has it, as a list; None where there is none of these data."""
    return rows_of(store, store.root / "stages" / model / task, COSINE, fingerprint)
