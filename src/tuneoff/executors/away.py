"""A worker's side of a stage that is computed on another machine."""

import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tuneoff.errors import ExecutorError, TuneoffError
from tuneoff.executors.local import compute_stage, put_away_others
from tuneoff.executors.office import PROGRESS
from tuneoff.files import digest
from tuneoff.planned import PlannedStage
from tuneoff.store import CHECKPOINT, RECORD, StageAddress, StageRecord, Store
from tuneoff.training.build import Ancestor
from tuneoff.training.stage import Watch
from tuneoff.training.state import Interrupted
from tuneoff.training.workplace import Workplace

if TYPE_CHECKING:
    from tuneoff.reading import ReadStudy
    from tuneoff.running import Hearer, Prepared

ASK_EVERY = 1.0  # seconds between two questions whether to stop
ARRIVES_WITHIN = 90.0  # seconds after which a file written elsewhere is seen here: NFS remembers for up to 60
TOKEN = ".cluster"  # a file in the run directory while it is computed by other machines


@dataclass(frozen=True)
class Errand:
    """What all stages of a plan are computed from: the study, the run directory, and the `office` (see `Office`).

    A machine that finds `token` in the directory shares it with the command; another has copies of what it needs.
    """

    read: "ReadStudy"
    root: str
    token: str
    version: str
    office: Any


@dataclass(frozen=True)
class Outcome:
    """How a stage ended: with a record, which may say that it failed; stopped as asked; or refused, with a message."""

    state: Literal["ended", "stopped", "refused"]
    record: StageRecord | None = None
    message: str = ""


def compute_away(errand: Errand, stage: PlannedStage, ancestors: Sequence[tuple[StageAddress, Ancestor]]) -> Outcome:
    """Compute a stage on this machine, for a command on another one; what a user can mend comes back as a message."""
    host = socket.gethostname()
    ears = _Ears(errand.office, stage.address)
    try:
        if not ears.ask("begin", host):
            return Outcome("stopped")
        place = workplace_of(errand, stage, ears)
        with _reachable(errand, stage.address, ancestors, ears) as (store, found):
            return Outcome("ended", compute_stage(stage, place, found, store, Watch(ears.event, ears.stop)))
    except Interrupted:
        return Outcome("stopped")
    except TuneoffError as error:
        return Outcome("refused", message=f"{host}: {error}")


class _Ears:
    """Tells the office what becomes of a stage, and asks it, not too often, whether to stop. A study's hearer."""

    def __init__(self, office: Any, address: StageAddress) -> None:
        self._office = office
        self._address = address
        self._asked = time.monotonic()
        self._closed = False
        self.progress: _Progress | None = None

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method of the office that is about the stage, and return its answer."""
        import ray

        return ray.get(getattr(self._office, method).remote(self._address, *arguments))

    def files(self, address: StageAddress) -> dict[str, bytes]:
        """Fetch the files of another stage."""
        import ray

        found: dict[str, bytes] = ray.get(self._office.files.remote(address))
        return found

    def event(self, row: Mapping[str, Any]) -> None:
        """Pass on a row of the history."""
        self._office.tell.remote(self._address, "event", dict(row))

    def stop(self) -> bool:
        """Return whether the command asks to stop; what can be gone on from is handed in meanwhile."""
        import ray

        if not self._closed and time.monotonic() - self._asked >= ASK_EVERY:
            if self.progress:
                self.progress.hand_in()
            self._closed = ray.get(self._office.is_closed.remote())
            self._asked = time.monotonic()
        return self._closed

    def features(self, split: str, done: int, total: int) -> None:
        """Pass on how far the vectors of a split are."""
        self._office.tell.remote(self._address, "features", (split, done, total))

    def note(self, what: str) -> None:
        """Pass on what went otherwise than usual."""
        self._office.tell.remote(self._address, "note", what)

    def announce(self, what: str) -> None:
        """Hear what is done before a stage: the command said so of itself."""


class _Progress:
    """Hands a checkpoint in whenever there is a new one, where the command does not see the file itself."""

    def __init__(self, folder: Path, ears: _Ears) -> None:
        self._folder, self._ears = folder, ears
        self._seen = self._time()

    def hand_in(self) -> None:
        """Hand in the checkpoint, and the account of the attempts, if there is a checkpoint that was not yet."""
        time_ = self._time()
        if time_ is not None and time_ != self._seen:
            paths = [self._folder / name for name in PROGRESS]
            self._ears.ask("keep_progress", {path.name: path.read_bytes() for path in paths if path.is_file()})
            self._seen = time_

    def _time(self) -> int | None:
        path = self._folder / CHECKPOINT
        return path.stat().st_mtime_ns if path.is_file() else None


@contextmanager
def _reachable(
    errand: Errand, address: StageAddress, ancestors: Sequence[tuple[StageAddress, Ancestor]], ears: _Ears
) -> Iterator[tuple[Store, list[Ancestor]]]:
    """Give a store with the stage's own files and its ancestors': the command's where it is seen, else a copy.

    What the stage leaves in a copy is handed in, at its end or where it stops.
    """
    shared = Store(Path(errand.root))
    if _token(shared.root) == errand.token:
        for one, ancestor in ancestors:
            await_record(shared, one, ancestor.key)
        yield shared, [ancestor for _, ancestor in ancestors]
        return
    with tempfile.TemporaryDirectory(prefix="tuneoff-", ignore_cleanup_errors=True) as folder:
        copy = Store(Path(folder))
        for one in (address, *(one for one, _ in ancestors)):
            _unpack(copy.folder(one), ears.files(one))
        ears.progress = _Progress(copy.folder(address), ears)
        try:
            yield copy, [replace(a, weights=copy.folder(one) / a.weights.name) for one, a in ancestors]
        except Interrupted:
            ears.progress.hand_in()
            raise
        files = {path.name: path.read_bytes() for path in copy.folder(address).iterdir() if path.is_file()}
        ears.ask("keep_result", {name: content for name, content in files.items() if name not in PROGRESS})


def await_record(store: Store, address: StageAddress, key: str) -> None:
    """Wait until the record of a stage that another machine has written is seen; raises ExecutorError if it is not."""
    until = time.monotonic() + ARRIVES_WITHIN
    while (record := store.record(address)) is None or record.key != key:
        if time.monotonic() > until:
            path = store.folder(address) / RECORD
            raise ExecutorError(f"{path}: written by another machine and not seen here; is the folder the same on all?")
        time.sleep(0.2)


def _unpack(folder: Path, files: Mapping[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def _token(root: Path) -> str | None:
    path = root / TOKEN
    return path.read_text(encoding="utf-8") if path.is_file() else None


_kept: dict[str, "Prepared"] = {}  # of the study that this process computed last: models, tokens and vectors stay


def workplace_of(errand: Errand, stage: PlannedStage, hearer: "Hearer") -> Workplace:
    """Return the place that a stage is computed in, rebuilt from the study once a process.

    What was read and computed for other models and tasks is put away, as where the command computes them itself.
    Raises ExecutorError where this machine's version, model or data are not those of the command.
    """
    from tuneoff.running import prepare

    if (here := version("tuneoff")) != errand.version:
        raise ExecutorError(f"tuneoff {here} is installed, and the command runs {errand.version}: install the same")
    study = digest([errand.read.study.model_dump(mode="json"), str(errand.read.base)])
    if study not in _kept:
        prepared = prepare(errand.read, hearer)
        _kept.clear()
        _kept[study] = prepared
    places = _kept[study].places
    put_away_others(places, stage.address.place)
    place = places[stage.address.place]
    assert stage.key_parts is not None
    if place.data.fingerprint != stage.key_parts["task"]:
        raise ExecutorError("the task's data differ from those that the command reads: give all machines the same")
    if digest(place.model.keyed()) != digest(stage.key_parts["model"]):
        raise ExecutorError(f"'{place.model.source}' differs from what the command reads: give all machines the same")
    place.progress, place.note = hearer.features, hearer.note
    return place
