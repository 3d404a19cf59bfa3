"""What frozen layers give for a task's texts, computed once and kept in the user's cache folder within a limit.

An entry is one file. `features` has pooled vectors, a row a text; `hidden` has what a layer is given, a row a token.
"""

import contextlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal
from weakref import WeakValueDictionary

import torch
from torch import Tensor

from tuneoff.errors import StoreError, WriteError
from tuneoff.files import TEMPORARY, remove_leftovers, write_atomically
from tuneoff.in_use import remove_if_closed, remove_if_possible
from tuneoff.models import mapped_file
from tuneoff.models.mapped_file import DamagedFile, MappedFile, Put, Shape
from tuneoff.report.formats import size as shown

Kind = Literal["features", "hidden"]
KINDS: tuple[Kind, ...] = ("features", "hidden")
Say = Callable[[str], None]

MOST = 20 * 10**9  # bytes
SHARE_OF_FREE = 0.1
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_in_use: WeakValueDictionary[Path, MappedFile] = WeakValueDictionary()


@dataclass(frozen=True)
class Cost:
    """What computing an entry took: seconds of loading the model, of tokenizing and of computing, and real tokens."""

    load: float
    tokenize: float
    features: float
    tokens: int


@dataclass(frozen=True)
class Features:
    """Pooled vectors [N, H] in fp32 by split, what computing them cost, and whether that was paid just now."""

    vectors: Mapping[str, Tensor]
    cost: Cost
    computed_now: bool


@dataclass(frozen=True)
class HiddenStates:
    """What a layer is given: [tokens, H] by split, all texts of a split one after another, mapped from the disk."""

    file: MappedFile
    cost: Cost
    computed_now: bool


def cache_folder() -> Path:
    """Return the folder of all caches: $TUNEOFF_CACHE, else the user's cache folder."""
    if chosen := os.environ.get("TUNEOFF_CACHE"):
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("tuneoff")


def cache_limit() -> int:
    """Return how many bytes the cache may take: $TUNEOFF_CACHE_LIMIT, else 20 GB, or less on a full disk.

    By default it takes no more than a tenth of what would be free without it. Raises StoreError for a limit that is no
    size.
    """
    if asked := os.environ.get("TUNEOFF_CACHE_LIMIT", "").strip():
        found = _SIZE.fullmatch(asked)
        if found is None:
            raise StoreError(f"TUNEOFF_CACHE_LIMIT: '{asked}' is no size: write it as '20 GB', or 0 to keep nothing")
        number, prefix, binary = found.groups()
        return int(float(number) * (1024 if binary else 1000) ** " kmgt".index(prefix.lower() or " "))
    folder = cache_folder().absolute()
    there = next(path for path in (folder, *folder.parents) if path.is_dir())
    free = shutil.disk_usage(there).free + sum(bytes_ for _, bytes_, _ in _files())
    return min(MOST, int(free * SHARE_OF_FREE))


def cached_features(key: str, compute: Callable[[], Features], say: Say = lambda _: None) -> Features:
    """Return the vectors known by a key, computing them where they are not in the cache; they are in memory.

    A process that is computing them already is waited for.
    """
    with _alone("features", key):
        if file := _find("features", key, say):
            vectors = {name: value.clone() for name, value in file.tensors.items()}
            return Features(vectors, _cost(file), computed_now=False)
        return _computed_features(key, compute)


def _computed_features(key: str, compute: Callable[[], Features]) -> Features:
    features = compute()
    shapes = {name: (value.shape[0], value.shape[1]) for name, value in features.vectors.items()}
    dtype = next(iter(features.vectors.values())).dtype

    def fill(put: Put) -> Mapping[str, str]:
        for name, value in features.vectors.items():
            put(name, 0, value)
        return _metadata(features.cost)

    try:
        if _make_room(mapped_file.file_size(shapes, dtype)):
            _write("features", key, shapes, dtype, fill)
    except (OSError, WriteError) as error:
        raise StoreError(
            f"{cache_folder()}: the cache cannot be written ({_why(error)}); set TUNEOFF_CACHE to a folder that can"
        ) from error
    return features


def cached_hidden(
    key: str,
    shapes: Mapping[str, Shape],
    dtype: torch.dtype,
    compute: Callable[[Put], Cost],
    say: Say = lambda _: None,
) -> HiddenStates | None:
    """Return the hidden states known by a key, computing them onto the disk where they are not in the cache.

    None, after saying why, where they cannot be kept: they are too large for the cache, or it cannot be written. A
    process that is computing them already is waited for.
    """
    with _alone("hidden", key):
        return _found_or_computed(key, shapes, dtype, compute, say)


def _found_or_computed(
    key: str, shapes: Mapping[str, Shape], dtype: torch.dtype, compute: Callable[[Put], Cost], say: Say
) -> HiddenStates | None:
    if file := _find("hidden", key, say):
        return HiddenStates(file, _cost(file), computed_now=False)
    size = mapped_file.file_size(shapes, dtype)
    try:
        if not _make_room(size):
            say(
                f"hidden states would take {shown(size)} and the cache may take {shown(cache_limit())} "
                "(TUNEOFF_CACHE_LIMIT): they are computed from the texts each time"
            )
            return None
        _write("hidden", key, shapes, dtype, lambda put: _metadata(compute(put)))
    except (OSError, WriteError) as error:
        say(f"{cache_folder()} cannot be written ({_why(error)}): hidden states are computed each time")
        return None
    file = _find("hidden", key, say)
    return HiddenStates(file, _cost(file), computed_now=True) if file else None


@contextlib.contextmanager
def _alone(kind: Kind, key: str) -> Iterator[None]:
    """Let one process of this machine after another find or compute an entry, so that it is computed once.

    Where the cache cannot be written, or has no locks, they do not wait for each other. A killed process's lock is
    free.
    """
    from filelock import FileLock

    path = cache_folder() / kind / f".{key}.lock"
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(path, is_singleton=True))
            held.callback(_forget, path)
        yield


def _forget(lock: Path) -> None:
    """Remove a lock's file before it is let go: who waits for it has it open, and then finds the entry."""
    remove_if_possible(lock)


def _why(error: OSError | WriteError) -> str:
    return error.why if isinstance(error, WriteError) else error.strerror or str(error)


def tidy_cache() -> None:
    """Remove what killed processes left half written in the cache."""
    for kind in KINDS:
        remove_leftovers(cache_folder() / kind)


def _path(kind: Kind, key: str) -> Path:
    return cache_folder() / kind / f"{key}.safetensors"


def _find(kind: Kind, key: str, say: Say) -> MappedFile | None:
    """Return an entry, marked as used now; None where there is none, or, after saying so, where it is damaged."""
    path = _path(kind, key)
    try:
        file = mapped_file.read(path)
        _cost(file)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except DamagedFile as error:
        say(f"{path} is damaged, {error}: it is computed again")
        remove_if_possible(path)  # where it stays, it is written over, elsewhere, or not at all
        return None
    with contextlib.suppress(OSError):  # in a cache that may only be read nothing is deleted either
        os.utime(path)
    _in_use[path] = file
    return file


def _write(
    kind: Kind,
    key: str,
    shapes: Mapping[str, Shape],
    dtype: torch.dtype,
    fill: Callable[[Put], Mapping[str, str]],
) -> None:
    write_atomically(_path(kind, key), lambda temporary: mapped_file.write(temporary, shapes, dtype, fill))


def _make_room(size: int) -> bool:
    """Delete the entries that were not used for longest until another fits; False where it cannot, and none is deleted.

    What this process has open stays, as does what somebody is writing (on Windows also what another process has open,
    which may leave too little room). What a killed process left half written goes.
    """
    tidy_cache()
    limit = cache_limit()
    stays, may_go = size, []
    for _, bytes_, path in sorted(_files()):
        if path.parent.name.startswith(TEMPORARY) or path in _in_use:
            stays += bytes_
        else:
            may_go.append((bytes_, path))
    if stays > limit:
        return False
    total = stays + sum(bytes_ for bytes_, _ in may_go)
    for bytes_, path in may_go:
        if total > limit and remove_if_closed(path):
            total -= bytes_
    return total <= limit


def _files() -> list[tuple[float, int, Path]]:
    """Return when each file of the cache was last used, its bytes and its path; temporary files are among them."""
    found = []
    for kind in KINDS:
        for path in (cache_folder() / kind).rglob("*.safetensors"):
            with contextlib.suppress(FileNotFoundError):  # another process was quicker to delete it
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
    return found


def _metadata(cost: Cost) -> dict[str, str]:
    return {"cost": json.dumps(asdict(cost))}


def _cost(file: MappedFile) -> Cost:
    """Return what an entry cost; raises DamagedFile where it does not say so as this version does."""
    try:
        return Cost(**json.loads(file.metadata["cost"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedFile("or written by another version") from error
