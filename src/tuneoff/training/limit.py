"""A limit on the memory that a stage may take: what asks for more fails, instead of the machine swapping."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from tuneoff.errors import StudyError
from tuneoff.report.formats import size
from tuneoff.training.memory import release

STATUS = Path("/proc/self/status")


def check_limit(limit: int | None, device: torch.device) -> None:
    """Raise StudyError where a limit in bytes cannot be kept on this device, or is passed already."""
    if limit is None or device.type == "cuda":
        return
    if device.type != "cpu" or sys.platform != "linux":
        where = f"on {device.type}" if device.type != "cpu" else f"on {sys.platform}"
        raise StudyError(f"protocol.memory_limit: it cannot be kept {where}, only on a CPU under Linux or on CUDA")
    release()
    if limit <= (used := data_bytes()):
        raise StudyError(
            f"protocol.memory_limit: {size(limit)} is too little: this process takes {size(used)} before a model is "
            "loaded"
        )


@contextmanager
def limited(limit: int | None, device: torch.device) -> Iterator[None]:
    """Let allocations inside fail that would take the process, or the GPU, over a limit in bytes; None for no limit.

    On a CPU the limit is RLIMIT_DATA, which counts private writable memory: what would have to be swapped. RLIMIT_AS
    counts mapped files and reserved addresses besides (half a gigabyte of libraries; on a GPU's machine, terabytes).
    """
    if limit is None:
        yield
    elif device.type == "cuda":
        whole = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(1.0, limit / whole), device)
        try:
            yield
        finally:
            torch.cuda.set_per_process_memory_fraction(1.0, device)
    else:
        with _data_limited(limit):
            yield


@contextmanager
def _data_limited(limit: int) -> Iterator[None]:
    import resource  # not on Windows

    # OpenMP ends the process where it cannot start a thread, so its threads are started before there is a limit.
    torch.zeros(2**20).add_(1)
    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    stricter = [limit, *(value for value in (before, most) if value != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_DATA, (min(stricter), most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))


def is_limited() -> bool:
    """Return whether the memory of this process is limited, by us or by whoever started it."""
    if sys.platform != "linux":
        return False
    import resource

    return resource.getrlimit(resource.RLIMIT_DATA)[0] != resource.RLIM_INFINITY


def data_bytes() -> int:
    """Return the private writable memory of this process in bytes, as the kernel counts it against RLIMIT_DATA."""
    for line in STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"{STATUS} has no VmData line")
