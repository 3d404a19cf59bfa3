"""Writing files so that a reader never sees half of one, and hashing what is written."""

import hashlib
import json
import os
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneoff.errors import WriteError
from tuneoff.in_use import put_in_place, remove_if_possible

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from torch import Tensor

TEMPORARY = ".part-"
ABANDONED = 3600.0  # seconds since a temporary folder changed, after which nobody writes in it, where locks cannot tell


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file of `path`'s name in a temporary folder beside it, sync it, then put it in `path`'s place.

    After a crash at any moment `path` holds either what it held before or all of the new content; what else is left
    lies in that folder, also what a library put beside the file it was asked for. Raises WriteError where the system
    refuses: the disk is full, or the folder may only be read.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _claimed_folder(path) as folder:
            temporary = folder / path.name
            write(temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            put_in_place(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise WriteError(path, error) from error


@contextmanager
def _claimed_folder(path: Path) -> Iterator[Path]:
    """Make a temporary folder beside a path, held by this process until the context is left, and then removed.

    Its lock tells those who tidy up that somebody writes here, and dies with the process (see `remove_leftovers`).
    """
    while True:
        folder = path.with_name(f"{TEMPORARY}{uuid.uuid4().hex[:12]}")  # short: Windows' paths have 260 characters
        folder.mkdir()
        with suppress(BlockingIOError, FileNotFoundError):  # another process tidies up, and came before the lock
            lock = _lock(folder)
            break
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """Return the descriptor that holds a folder's lock; None where the file system has no such locks.

    Raises BlockingIOError where another process holds it, and FileNotFoundError where the folder is gone.
    """
    if sys.platform == "win32":  # where what is open cannot be removed in any case
        return None
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder.stat()
    except (BlockingIOError, FileNotFoundError):
        os.close(descriptor)
        raise
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def sync_folder(folder: Path) -> None:
    """Make renames inside a folder durable, where the system allows a folder to be synced."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_tensors(path: Path, tensors: Mapping[str, "Tensor"], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors as safetensors, whole or not at all; raises WriteError."""
    write_atomically(path, lambda temporary: save_tensors(temporary, tensors, metadata))


def save_tensors(path: Path, tensors: Mapping[str, "Tensor"], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors as safetensors in place; raises OSError where the system refuses."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    try:
        save_file(dict(tensors), path, metadata=None if metadata is None else dict(metadata))
    except SafetensorError as error:  # a full disk is told so
        raise OSError(str(error)) from error


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8", newline="\n"))


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON atomically; NaN and infinity are refused, since JSON has neither (ValueError)."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def sha256(path: Path) -> str:
    """Return the sha256 of a file's content as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(value: Any) -> str:
    """Return the sha256 of a JSON value in canonical form: the same value gives the same digits everywhere.

    Raises TypeError for what JSON cannot hold and ValueError for NaN, so that nothing is hashed by guess.
    """
    text = json.dumps(value, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left half written anywhere under a folder; what somebody is writing stays."""
    for leftover in folder.rglob(f"{TEMPORARY}*"):
        if not leftover.is_dir():
            remove_if_possible(leftover)
            continue
        with suppress(OSError):  # it is written just now, or may only be read here
            _remove_abandoned(leftover)


def _remove_abandoned(folder: Path) -> None:
    lock = _lock(folder)
    if lock is None and time.time() - _last_change(folder) < ABANDONED:
        return
    shutil.rmtree(folder, ignore_errors=True)
    if lock is not None:
        os.close(lock)


def _last_change(folder: Path) -> float:
    return max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
