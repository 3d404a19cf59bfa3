"""The peak memory of one stage, not of what ran before it."""

import gc
import threading
from pathlib import Path
from typing import Any

import psutil
import torch

from tuneoff.c_library import c_function

CLEAR_REFS = Path("/proc/self/clear_refs")
STATUS = Path("/proc/self/status")


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # glibc's malloc.h
MMAP_MAX = 65_536  # glibc's own value of M_MMAP_MAX


def keep_freed_memory() -> None:
    """Let the C library keep the memory of freed tensors for the next ones, instead of asking the system each time.

    Every training step frees and allocates the same large tensors; fresh pages from the system must be zeroed and
    mapped first. `release` gives the memory back between stages.
    """
    mallopt = c_function("mallopt")
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, 2**31 - 1)


def return_freed_memory() -> None:
    """Let the C library return the memory of freed tensors to the system at once, as a limit on memory needs it.

    What it keeps counts against the limit: where a step has run out, and has freed all it had, there would be none for
    those who ask the system itself, such as oneDNN for the code that it writes.
    """
    mallopt = c_function("mallopt")
    if mallopt is not None:
        mallopt(M_MMAP_MAX, MMAP_MAX)
        mallopt(M_MMAP_THRESHOLD, 2**20)
        mallopt(M_TRIM_THRESHOLD, 2**20)


def release() -> None:
    """Give memory that nothing uses back to the system, so that the next stage's peak is its own."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    trim = c_function("malloc_trim")
    if trim is not None:
        trim(0)


class PeakMemory:
    """Measure the peak memory between `__enter__` and `__exit__`, in bytes.

    On a GPU: the most that torch had allocated there. On a CPU: the process's largest resident set, by the kernel's
    own high-water mark where it can be reset (Linux), else sampled 20 times a second.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.bytes = 0
        self.kind = "resident set of the process"

    def __enter__(self) -> "PeakMemory":
        release()
        if self.device.type == "cuda":
            self.kind = "allocated on the GPU"
            torch.cuda.reset_peak_memory_stats(self.device)
        else:
            self._kernel_counts = _reset_high_water()
            if not self._kernel_counts:
                self._stop = threading.Event()
                self._sampler = threading.Thread(target=self._sample, daemon=True)
                self._sampler.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.device.type == "cuda":
            self.bytes = torch.cuda.max_memory_allocated(self.device)
        elif self._kernel_counts:
            self.bytes = _high_water()
        else:
            self._stop.set()
            self._sampler.join()

    def _sample(self) -> None:
        process = psutil.Process()
        while True:
            self.bytes = max(self.bytes, process.memory_info().rss)
            if self._stop.wait(0.05):
                return

    def as_json(self) -> dict[str, Any]:
        """Return bytes and kind, for a stage's record."""
        return {"bytes": self.bytes, "kind": self.kind}


def _reset_high_water() -> bool:
    """Reset the kernel's high-water mark of resident memory; False where there is none to reset."""
    try:
        CLEAR_REFS.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _high_water() -> int:
    for line in STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"{STATUS} has no VmHWM line")
