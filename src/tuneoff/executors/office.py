"""The desk on the command's own machine that workers elsewhere report to, and fetch files from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuneoff.files import write_atomically
from tuneoff.in_use import remove
from tuneoff.store import ATTEMPTS, CHECKPOINT, DONE, RECORD, StageAddress, Store

PROGRESS = (CHECKPOINT, ATTEMPTS)  # what a stage that has not ended is gone on from


class Office:
    """Hears what workers do, says whether they go on, and hands out and takes in the files of a run directory.

    One process on the machine of the command, which alone reads and writes there for workers that cannot.
    """

    def __init__(self, root: str) -> None:
        self._store = Store(Path(root))
        self._told: list[tuple[StageAddress, str, Any]] = []
        self._closed = False

    def begin(self, address: StageAddress, host: str) -> bool:
        """Note that a worker on a host begins a stage; False where no more stages are to begin."""
        if not self._closed:
            self.tell(address, "began", host)
        return not self._closed

    def tell(self, address: StageAddress, kind: str, value: Any) -> None:
        """Take in what a worker says of a stage: that it `began`, an `event` of its history, `features` or a `note`."""
        self._told.append((address, kind, value))

    def hear(self) -> list[tuple[StageAddress, str, Any]]:
        """Return what was told since the last call, in order."""
        told, self._told = self._told, []
        return told

    def close(self) -> None:
        """Let no stage begin from now on, and ask those under way to stop."""
        self._closed = True

    def is_closed(self) -> bool:
        """Return whether workers are to stop."""
        return self._closed

    def files(self, address: StageAddress) -> dict[str, bytes]:
        """Return the files of a stage's folder by name, those of a stage that has not ended among them."""
        folder = self._store.folder(address)
        paths = folder.iterdir() if folder.is_dir() else ()
        return {path.name: path.read_bytes() for path in paths if path.is_file()}

    def keep_progress(self, address: StageAddress, files: Mapping[str, bytes]) -> None:
        """Keep what a stage that has not ended can be gone on from."""
        for name, content in files.items():
            _write(self._store.folder(address) / name, content)

    def keep_result(self, address: StageAddress, files: Mapping[str, bytes]) -> None:
        """Keep all files of a stage that ended in place of those before, its mark last."""
        folder = self._store.folder(address)
        for name in (DONE, RECORD):
            remove(folder / name)
        for path in list(folder.iterdir()) if folder.is_dir() else []:
            if path.is_file() and path.name not in (*PROGRESS, *files):
                remove(path)
        for name in sorted(files, key=lambda name: (name == DONE, name == RECORD)):
            _write(folder / name, files[name])
        if DONE in files:
            self._store.drop_unfinished(address)


def _write(path: Path, content: bytes) -> None:
    write_atomically(path, lambda temporary: temporary.write_bytes(content))
