"""The run directory: what a study asked, and each stage's record, history, predictions and weights."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tuneoff.errors import StoreError
from tuneoff.files import (
    digest,
    remove_leftovers,
    sha256,
    sync_folder,
    write_atomically,
    write_json,
    write_tensors,
    write_text,
)
from tuneoff.in_use import remove
from tuneoff.read_back import altered, read_json, read_json_lines, read_kept_study, unchanged_sha256
from tuneoff.records import PHASES, TUNING, StageAddress, StageRecord

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ATTEMPTS",
    "CHECKPOINT",
    "CHECKSUM",
    "DONE",
    "HISTORY",
    "PHASES",
    "PREDICTIONS",
    "RECORD",
    "TUNED",
    "TUNING",
    "WEIGHTS",
    "StageAddress",
    "StageRecord",
    "Store",
    "read_json",
]

RECORD, HISTORY, PREDICTIONS, WEIGHTS, DONE = (
    "stage.json",
    "history.jsonl",
    "predictions.parquet",
    "weights.safetensors",
    "DONE",
)
TUNED = "tuning.json"
CHECKPOINT = "checkpoint.safetensors"
ATTEMPTS = "attempts.jsonl"
CHECKSUM = "checksum"  # of a record's other fields, in its file alone


class Store:
    """A run directory. Reading needs no torch; each file is written whole or not at all."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def existing(cls, root: Path) -> Self:
        """Open a run directory that is there; raises StoreError with a hint if it is none."""
        if not (root / "study.yaml").is_file():
            near = sorted(path.parent.name for path in root.parent.glob("*/study.yaml"))
            hint = f"run directories beside it: {', '.join(near)}" if near else "make one with: tuneoff run demo"
            raise StoreError(f"{root}: not a run directory (no study.yaml in it); {hint}")
        return cls(root)

    def create(self, study_yaml: str, environment: Mapping[str, Any] | None) -> None:
        """Write what was asked, and where it runs unless nothing does; raises StoreError where that is impossible."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            remove_leftovers(self.root)
            write_text(self.root / "study.yaml", study_yaml)
            if environment is not None:
                write_json(self.root / "environment.json", environment)
        except OSError as error:
            raise StoreError(f"{self.root}: cannot be written ({error.strerror}); give another --out") from error

    def lock(self) -> AbstractContextManager[object]:
        """Take the directory until the context is left; raises StoreError at once if another process has it."""
        from filelock import FileLock, Timeout

        try:
            self.root.mkdir(parents=True, exist_ok=True)
            return FileLock(self.root / ".lock").acquire(timeout=0)
        except Timeout:
            raise StoreError(
                f"{self.root}: another tuneoff is working here; wait for it, or give another --out"
            ) from None
        except OSError as error:
            raise StoreError(f"{self.root}: cannot be written ({error.strerror}); give another --out") from error

    # Descriptions

    def study(self) -> dict[str, Any]:
        """Return the study as it was resolved."""
        return read_kept_study(self.root / "study.yaml")

    def environment(self) -> dict[str, Any]:
        """Return versions, hardware and git state of the last command that ran here."""
        return read_json(self.root / "environment.json")

    def describe_model(self, model: str, description: Mapping[str, Any]) -> None:
        """Keep a model's description beside its stages."""
        write_json(self.root / "stages" / model / "model.json", description)

    def describe_task(self, model: str, task: str, description: Mapping[str, Any]) -> None:
        """Keep a task's description, as this model saw it, beside its stages."""
        write_json(self.root / "stages" / model / task / "task.json", description)

    def model(self, model: str) -> dict[str, Any]:
        """Return a model's description."""
        return read_json(self.root / "stages" / model / "model.json")

    def task(self, model: str, task: str) -> dict[str, Any]:
        """Return a task's description, as this model saw it."""
        return read_json(self.root / "stages" / model / task / "task.json")

    def describe_tuning(self, model: str, task: str, chain: str, description: Mapping[str, Any]) -> None:
        """Keep what a technique's trials vary beside them."""
        write_json(self.root / TUNING / model / task / chain / TUNED, description)

    def tuning(self, model: str, task: str, chain: str) -> dict[str, Any] | None:
        """Return what a technique's trials vary; None where it was not tuned."""
        path = self.root / TUNING / model / task / chain / TUNED
        return read_json(path) if path.is_file() else None

    # Stages

    def folder(self, address: StageAddress) -> Path:
        """Return the folder of a stage, there or not."""
        return self.root / address.folder

    def record(self, address: StageAddress) -> StageRecord | None:
        """Return the record of a stage that ended, None if there is none or it is half written."""
        return self._record_in(self.folder(address))

    def records(self) -> list[StageRecord]:
        """Return the records of all stages that ended, done or failed, ordered by address."""
        return self._records_under("stages")

    def tuning_records(self) -> list[StageRecord]:
        """Return the records of what was run to choose settings, done or failed, ordered by address."""
        return self._records_under(TUNING)

    def _records_under(self, folder: str) -> list[StageRecord]:
        folders = {path.parent for path in self.root.glob(f"{folder}/*/*/*/*/{RECORD}")}
        found = [record for folder in folders if (record := self._record_in(folder)) is not None]
        return sorted(found, key=lambda record: _order(record.address))

    def _record_in(self, folder: Path) -> StageRecord | None:
        path = folder / RECORD
        if not path.is_file():
            return None
        value = read_json(path)
        checksum = value.pop(CHECKSUM, None)  # the first records had none
        record = StageRecord.from_json(value, path)
        if checksum is not None and digest(value) != checksum:
            raise altered(path)
        if record.status == "done":
            mark = folder / DONE
            if not mark.is_file() or mark.read_text(encoding="utf-8").strip() != record.key:
                return None
        return record

    def history(self, address: StageAddress) -> list[dict[str, Any]]:
        """Return the training steps and evaluations of a stage, in order; empty if there is no history."""
        path = self.folder(address) / HISTORY
        if not path.is_file():
            return []
        self.checked(address, HISTORY)
        return read_json_lines(path)

    def predictions(self, address: StageAddress) -> "pd.DataFrame":
        """Return split, row, source_id, step, label and logits of every evaluated example."""
        import pandas as pd

        return pd.read_parquet(self.checked(address, PREDICTIONS))

    def checked(self, address: StageAddress, name: str) -> Path:
        """Return a file of a stage; raises StoreError where it is not what its record says was written.

        It may be gone: weights are not always kept. It is compared once while its size and time of change stay. Files
        that no record names are not compared.
        """
        path = self.folder(address) / name
        expected = self._sha256_of(path)
        if expected is None:
            return path
        try:
            status = path.stat()
        except FileNotFoundError:
            return path
        if unchanged_sha256(path, status.st_size, status.st_mtime_ns) == expected:
            return path
        if self._sha256_of(path) != expected:  # a command that is running has written the stage again meanwhile
            return self.checked(address, name)
        raise altered(path)

    def _sha256_of(self, path: Path) -> str | None:
        record = self._record_in(path.parent)
        return (record.files or {}).get(path.name) if record else None

    def weights(self, address: StageAddress) -> Path | None:
        """Return the file with a stage's trained weights, None where they were not kept."""
        path = self.folder(address) / WEIGHTS
        return path if path.is_file() else None

    def finish(
        self,
        record: StageRecord,
        history: Sequence[Mapping[str, Any]],
        predictions: "pd.DataFrame | None",
        weights: Mapping[str, Any] | None,
    ) -> StageRecord:
        """Write a stage that ended; the mark comes last, so a stage with one is whole. Returns the record written.

        Nothing stays of what an earlier attempt wrote.
        """
        folder = self.folder(record.address)
        for earlier in (DONE, RECORD, PREDICTIONS, WEIGHTS):  # no record may stand beside files that it does not know
            remove(folder / earlier)
        lines = "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in history)
        write_text(folder / HISTORY, lines)
        names = [HISTORY]
        if predictions is not None:
            write_atomically(folder / PREDICTIONS, lambda path: predictions.to_parquet(path, index=False))
            names.append(PREDICTIONS)
        if weights is not None:
            write_tensors(folder / WEIGHTS, weights)
            names.append(WEIGHTS)
        written = {**record.to_json(), "files": {name: sha256(folder / name) for name in names}}
        write_json(folder / RECORD, {**written, CHECKSUM: digest(written)})
        if record.status == "done":
            write_text(folder / DONE, record.key + "\n")
            self.drop_unfinished(record.address)
            sync_folder(folder)
        return StageRecord.from_json(written, folder / RECORD)

    def drop_unfinished(self, address: StageAddress) -> None:
        """Delete what a finished stage was gone on from: a process killed after its mark leaves that behind."""
        for name in (CHECKPOINT, ATTEMPTS):
            remove(self.folder(address) / name)

    def drop_weights(self, address: StageAddress) -> None:
        """Delete a stage's trained weights; its record, history and predictions stay."""
        remove(self.folder(address) / WEIGHTS)

    def __iter__(self) -> Iterator[StageRecord]:
        return iter(self.records())


def _order(address: StageAddress) -> tuple[str, str, str, int, int, int, str]:
    """Return what addresses are sorted by; a run without folds comes before those with, trial 2 before trial 10."""
    fold = -1 if address.fold is None else address.fold
    tuning = address.tuning or ""
    return address.model, address.task, address.chain, address.seed, fold, len(tuning), tuning
