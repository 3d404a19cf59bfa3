"""Memory that the system can take back: nothing uses it, or it has the same on disk."""

import ctypes
import mmap
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from tuneoff.c_library import c_function

MAPS = Path("/proc/self/maps")
MADV_PAGEOUT = 21  # linux/mman.h; Python's mmap module does not name it


def page_out(values: Tensor) -> None:
    """Let a tensor's pages go that were read from a file by memory map; touched again, they are read again.

    What was changed is kept. Where the system knows no such advice, or does not follow it, nothing happens.
    """
    advise = c_function("madvise")
    if advise is None or values.device.type != "cpu":
        return
    first = -(-values.data_ptr() // mmap.PAGESIZE) * mmap.PAGESIZE
    last = (values.data_ptr() + values.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE
    if values.is_contiguous() and last > first:
        advise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), MADV_PAGEOUT)


def trim_heap() -> None:
    """Let the C library return the memory of freed tensors to the system, where it can be asked to."""
    trim = c_function("malloc_trim")
    if trim is not None:
        trim(0)


def page_out_files(paths: Iterable[Path]) -> None:
    """Let the pages of some files go that this process has mapped, as `page_out` does those of a tensor.

    For files of which a part was read and is not needed again, while another part stays in use.
    """
    advise = c_function("madvise")
    if advise is None or not MAPS.is_file():
        return
    wanted = {str(path.resolve()) for path in paths}
    for line in MAPS.read_text(encoding="utf-8", errors="surrogateescape").splitlines():
        span, *_, path = line.split(maxsplit=5)
        if path in wanted:
            first, last = (int(end, 16) for end in span.split("-"))
            advise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), MADV_PAGEOUT)
