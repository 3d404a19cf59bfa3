"""A safetensors file of large tensors: written a block of rows at a time, read by memory map, with a checksum."""

import hashlib
import json
import mmap
import os
import re
import warnings
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

Shape = tuple[int, int]
Put = Callable[[str, int, Tensor], None]  # a tensor's name, the first row, the rows

DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
_NAMES = {dtype: name for name, dtype in DTYPES.items()}
_NO_CHECKSUM = b"0" * 64
_CHECKSUM = re.compile(rb'"sha256":"([0-9a-f]{64})"')
_LENGTH = 8  # bytes of the number that a safetensors file begins with: how long its header is
_SPARE = 1024  # bytes of the header that are kept for metadata known only at the end
_CHUNK = 1 << 20
UNSEALED = {"sha256": _NO_CHECKSUM.decode()}


class DamagedFile(Exception):
    """A file that is not what was written: cut short, or with a bit turned."""


class MappedFile:
    """Tensors of a file as they lie on disk: the system reads a page when it is touched. They must not be written to.

    `forget` gives the pages back that were touched, so that the process's memory does not grow to the file's size; they
    are read again, most often from the system's own cache, when they are touched again.
    """

    def __init__(self, pages: mmap.mmap, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
        self.tensors = tensors
        self.metadata = metadata
        self._pages = pages

    def forget(self) -> None:
        """Give back the memory of what was touched so far, where the system knows how."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._pages.madvise(mmap.MADV_DONTNEED)


def file_size(shapes: Mapping[str, Shape], dtype: torch.dtype) -> int:
    """Return the bytes of a file of such tensors."""
    return _LENGTH + _header_room(shapes, dtype) + sum(map(prod, shapes.values())) * dtype.itemsize


def write(
    path: Path, shapes: Mapping[str, Shape], dtype: torch.dtype, fill: Callable[[Put], Mapping[str, str]]
) -> None:
    """Write tensors that `fill` puts down block by block, in any order; what it returns is kept as metadata.

    Blocks are written, not copied into a map of the file: a map's pages would count as the process's memory, and a disk
    that is full would end the process instead of raising OSError.
    """
    room = _header_room(shapes, dtype)
    starts, end = {}, _LENGTH + room
    for name, shape in shapes.items():
        starts[name] = end
        end += prod(shape) * dtype.itemsize
    left = {name: rows for name, (rows, _) in shapes.items()}
    with path.open("w+b") as file:
        file.truncate(end)

        def put(name: str, row: int, block: Tensor) -> None:
            if block.dtype != dtype or block.shape[1] != shapes[name][1]:
                raise ValueError(f"{name}: a block of {block.dtype} {tuple(block.shape)} does not fit")
            file.seek(starts[name] + row * shapes[name][1] * dtype.itemsize)
            file.write(block.cpu().contiguous().view(torch.uint8).numpy().data)
            left[name] -= len(block)

        metadata = fill(put)
        if any(left.values()):
            raise ValueError(f"rows left out or written twice: {left}")
        header = _header(shapes, dtype, metadata).ljust(room)
        if len(header) > room:
            raise ValueError("the metadata is too long for the header")
        checksum = _digest(file, header)
        file.seek(0)
        file.write(room.to_bytes(_LENGTH, "little") + header.replace(_NO_CHECKSUM, checksum, 1))


def read(path: Path) -> MappedFile:
    """Map a file that `write` wrote, after reading it once to compare its checksum; raises DamagedFile."""
    with path.open("rb") as file:
        header = _checked_header(file)
        # Not a private map: the system would set aside as much memory as the file has bytes.
        pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    length = len(header)
    entries = json.loads(header)
    metadata = entries.pop("__metadata__")
    tensors = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given buffer is not writable")  # it is only read
        for name, entry in entries.items():
            first, dtype, shape = entry["data_offsets"][0], DTYPES[entry["dtype"]], entry["shape"]
            flat = torch.frombuffer(pages, dtype=dtype, count=prod(shape), offset=_LENGTH + length + first)
            tensors[name] = flat.view(shape)
    return MappedFile(pages, tensors, metadata)


def seal(path: Path) -> None:
    """Put its checksum into a safetensors file, in place; its metadata hold `UNSEALED` for it."""
    with path.open("rb+") as file:
        header = _read_header(file)
        checksum = _digest(file, header)
        file.seek(_LENGTH + header.index(_NO_CHECKSUM))
        file.write(checksum)


def check(path: Path) -> None:
    """Raise DamagedFile if a safetensors file is not what was sealed."""
    with path.open("rb") as file:
        _checked_header(file)


def _checked_header(file: BinaryIO) -> bytes:
    header = _read_header(file)
    found = _CHECKSUM.search(header)
    if found is None:
        raise DamagedFile("its header is no header")
    if _digest(file, header[: found.start(1)] + _NO_CHECKSUM + header[found.end(1) :]) != found[1]:
        raise DamagedFile("its checksum differs")
    return header


def _read_header(file: BinaryIO) -> bytes:
    """Return the header as it stands in a file, empty where the file is too short to have one."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    length = int.from_bytes(file.read(_LENGTH), "little")
    return file.read(length) if length < size else b""


def _header(shapes: Mapping[str, Shape], dtype: torch.dtype, metadata: Mapping[str, str]) -> bytes:
    """Return the header in JSON, as safetensors wants it, with zeros where the checksum goes."""
    entries: dict[str, object] = {"__metadata__": {**UNSEALED, **metadata}}
    end = 0
    for name, shape in shapes.items():
        start, end = end, end + prod(shape) * dtype.itemsize
        entries[name] = {"dtype": _NAMES[dtype], "shape": list(shape), "data_offsets": [start, end]}
    return json.dumps(entries, separators=(",", ":")).encode()


def _header_room(shapes: Mapping[str, Shape], dtype: torch.dtype) -> int:
    """Return the header's length in the file: a multiple of eight, filled up with spaces."""
    return -(-(len(_header(shapes, dtype, {})) + _SPARE) // 8) * 8


def _digest(file: BinaryIO, header: bytes) -> bytes:
    """Return the sha256 of a file with this header: its length, itself, and what stands after it in the file."""
    total = hashlib.sha256(len(header).to_bytes(_LENGTH, "little") + header)
    file.seek(_LENGTH + len(header))
    while chunk := file.read(_CHUNK):
        total.update(chunk)
    return total.hexdigest().encode()
