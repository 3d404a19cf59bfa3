"""What evidence needs of a task beside its description: test's slice columns, groups, some texts; cheap baselines.

They are of the data alone, so all models share them: they stand in tasks/<task>/ of the run directory. Run directories
of earlier versions lack them, and are reported without.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneoff.errors import StoreError
from tuneoff.evidence.baselines import Baseline, BaselineData, text_baselines
from tuneoff.evidence.slices import seen_in_train, slice_columns
from tuneoff.files import digest, sha256, write_atomically, write_json
from tuneoff.in_use import remove
from tuneoff.store import Store, read_json
from tuneoff.words import shortened

if TYPE_CHECKING:
    from tuneoff.tasks import StudyTask, TaskData

COLUMNS, BASELINES, BASELINE_PREDICTIONS = "test.parquet", "baselines.json", "baselines.parquet"
SLICE = "slice:"  # before a column's name in the file, so that no name clashes with those of tuneoff
TEXTS, MOST_TEXT = "texts.json", 600  # characters of a text
BASELINES_VERSION = 1
# The time that words take grows with classes times length of the texts; this much takes about half a minute on a core.
MOST_ROWS, MOST_CHARACTERS = 50_000, 30_000_000


@dataclass(frozen=True)
class KeptRows:
    """What is kept of the test rows: their numbers (n,), their groups (None: no groups), and each slice column.

    `texts` are numbers that stand for their texts (`text_mark`), None where none are kept.
    """

    rows: Sequence[int]
    groups: Sequence[str] | None
    slices: Mapping[str, Sequence[str]]
    texts: Sequence[int] | None = None


def task_folder(store: Store, task: str) -> Path:
    """Return the folder of what is known of a task's data, there or not."""
    return store.root / "tasks" / task


def keep_task_files(store: Store, name: str, task: "StudyTask", announce: Callable[[str], None]) -> None:
    """Write test's columns, and the baselines unless they are there for the same data.

    With folds there are no baselines: each fold would need its own, and a study is asked about its techniques.
    """
    folded = None not in task.by_fold
    keep_test_columns(store, name, task.whole, folded=folded)
    if folded:
        for left in (BASELINES, BASELINE_PREDICTIONS):
            remove(task_folder(store, name) / left)
    else:
        keep_baselines(store, name, task.whole, announce)


def keep_test_columns(store: Store, name: str, data: "TaskData", *, folded: bool) -> None:
    """Write the test rows' groups, marks of their texts, slice columns, and whether their group stands in train.

    Without groups that is whether their first text does. It is left out with folds, where whole groups are held out.
    """
    import pandas as pd

    test, train = data.splits["test"], data.splits["train"]
    columns = dict(test.columns)
    if not folded and test.groups is not None and train.groups is not None:
        columns["group in train"] = seen_in_train(test.groups, train.groups)
    elif not folded:
        columns[f"{data.text_fields[0]} in train"] = seen_in_train(test.texts[0], train.texts[0])
    kept: dict[str, Any] = {"row": test.rows, "texts": [text_mark(texts) for texts in zip(*test.texts, strict=True)]}
    if test.groups is not None:
        kept["group"] = test.groups
    kept |= {SLICE + column: columns[column] for column in slice_columns(columns)}
    frame = pd.DataFrame(kept)
    write_atomically(task_folder(store, name) / COLUMNS, lambda path: frame.to_parquet(path, index=False))


def text_mark(texts: Sequence[str]) -> int:
    """Return a number that stands for a row's texts: of 64 bits, so that two texts of a million are hardly ever one."""
    joined = "\0".join(texts).encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(joined, digest_size=8).digest(), signed=True)


def kept_rows(store: Store, name: str) -> KeptRows | None:
    """Return what is kept of the test rows; None where nothing is. Raises StoreError for an unreadable file."""
    import pandas as pd
    import pyarrow as pa

    path = task_folder(store, name) / COLUMNS
    if not path.is_file():
        return None
    try:
        frame = pd.read_parquet(path)
    except pa.ArrowInvalid as error:
        raise StoreError(f"{path}: cannot be read ({error}); delete it and run the study again") from error
    groups = frame["group"].tolist() if "group" in frame else None
    slices = {str(key).removeprefix(SLICE): frame[key].tolist() for key in frame if str(key).startswith(SLICE)}
    texts = frame["texts"].tolist() if "texts" in frame else None
    return KeptRows(frame["row"].tolist(), groups, slices, texts)


KeptTexts = Mapping[int, list[str]]
"""The texts of some test rows, by the rows' numbers."""


def keep_texts(store: Store, name: str, data: "TaskData", rows: Sequence[int]) -> None:
    """Write the texts of some test rows for the report, long ones cut; none are kept if no rows are given."""
    path = task_folder(store, name) / TEXTS
    if not rows:
        remove(path)
        return
    test = data.splits["test"]
    places = {int(row): place for place, row in enumerate(test.rows)}
    texts = {
        str(row): [shortened(field[places[row]], MOST_TEXT) for field in test.texts] for row in rows if row in places
    }
    write_json(path, {"fingerprint": data.fingerprint, "texts": texts})


def kept_texts(store: Store, name: str, fingerprint: str | None) -> KeptTexts | None:
    """Return the texts that are kept of a task's test rows; None where there are none of these data."""
    path = task_folder(store, name) / TEXTS
    if not path.is_file():
        return None
    kept = read_json(path)
    if kept["fingerprint"] != fingerprint:
        return None
    return {int(row): list(texts) for row, texts in kept["texts"].items()}


def baseline_data(data: "TaskData") -> BaselineData:
    """Return what the baselines from texts see of a task: test, and of train as many first rows as keep them cheap."""
    train, test = data.splits["train"], data.splits["test"]
    assert train.labels is not None and test.labels is not None
    used = _rows_used(train.texts, len(data.classes))
    texts = [column[:used] for column in train.texts]
    groups = None if train.groups is None else train.groups[:used]
    return BaselineData(texts, train.labels[:used], test.texts, test.labels, groups)


def keep_baselines(store: Store, name: str, data: "TaskData", announce: Callable[[str], None]) -> None:
    """Compute the baselines of a task and write them with their predictions, unless they are there for these data."""
    seen, rows = baseline_data(data), len(data.splits["train"])
    used = len(seen.train_labels)
    # Groups decide which rows stay together where C is chosen, and are no part of the fingerprint.
    key = digest({"version": BASELINES_VERSION, "data": data.fingerprint, "groups": seen.train_groups, "rows": used})
    folder = task_folder(store, name)
    if (folder / BASELINES).is_file() and read_json(folder / BASELINES).get("key") == key:
        return
    announce("computing baselines from the words of the texts")
    note = None if used == rows else f"of the {rows:,} rows of train the first {used:,} were used"
    about = {"key": key, "fingerprint": data.fingerprint, "note": note}
    write_baselines(folder, (BASELINES, BASELINE_PREDICTIONS), text_baselines(seen), about, data)


def _rows_used(texts: Sequence[Sequence[str]], classes: int) -> int:
    """Return how many of the first rows keep the baselines cheap."""
    most, read = MOST_CHARACTERS / classes, 0
    for row, fields in enumerate(zip(*texts, strict=True)):
        read += sum(map(len, fields))
        if row == MOST_ROWS or read > most:
            return max(row, 1)
    return len(texts[0])


def write_baselines(
    folder: Path, files: tuple[str, str], found: Sequence[Baseline], about: Mapping[str, Any], data: "TaskData"
) -> None:
    """Write baselines with what is said `about` them all, and their predictions, into the two files of a folder."""
    import pandas as pd

    test = data.splits["test"]
    predictions = {one.name: one.predictions for one in found if one.predictions is not None}
    frame = pd.DataFrame({"row": test.rows, "source_id": test.source_ids, "label": test.labels, **predictions})
    path = folder / files[1]
    write_atomically(path, lambda temporary: frame.to_parquet(temporary, index=False))
    rows = [
        {
            "name": one.name,
            "accuracy": one.accuracy,
            "examples": len(test),
            "seconds": one.seconds,
            "chosen": one.chosen,
            "reason": one.reason,
        }
        for one in found
    ]
    write_json(folder / files[0], {**about, "baselines": rows, "files": {path.name: sha256(path)}})


def baseline_rows(store: Store, name: str, fingerprint: str | None) -> list[dict[str, Any]] | None:
    """Return the baselines of a task as results.json has them; None where there are none of these data."""
    return rows_of(store, task_folder(store, name), (BASELINES, BASELINE_PREDICTIONS), fingerprint)


def rows_of(store: Store, folder: Path, files: tuple[str, str], fingerprint: str | None) -> list[dict[str, Any]] | None:
    """Return what `write_baselines` wrote, with its origin; None where there is nothing of the data asked for."""
    if not (folder / files[0]).is_file():
        return None
    kept = read_json(folder / files[0])
    if kept["fingerprint"] != fingerprint:
        return None
    file = (folder / files[1]).relative_to(store.root).as_posix()
    source = {"file": file, "sha256": kept["files"][files[1]]}
    return [{**row, "note": kept["note"], "source": source} for row in kept["baselines"]]
