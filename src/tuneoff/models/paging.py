"""Memory that the system can take back because it has the same on disk."""

import ctypes
import mmap

from torch import Tensor

from tuneoff.c_library import c_function

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
