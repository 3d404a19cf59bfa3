"""Where a study computes, and in which precision."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any, Literal

import psutil
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import InitProcessGroupKwargs

from tuneoff.errors import StudyError
from tuneoff.study import Protocol

Precision = Literal["fp32", "bf16"]


def choose_device(protocol: Protocol) -> torch.device:
    """Return the device asked for, or the best there is; raises StudyError for one that is not there."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if protocol.device == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if there[name]))
    if not there[protocol.device]:
        raise StudyError(f"protocol.device: torch finds no {protocol.device} here; use auto or cpu")
    return torch.device(protocol.device)


def choose_precision(protocol: Protocol, device: torch.device) -> Precision:
    """Return the precision asked for; `auto` is bf16 autocast on a GPU that has it, else fp32."""
    if protocol.precision != "auto":
        return protocol.precision
    return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"


def usable_threads() -> int:
    """Return how many CPU threads to compute with: OMP_NUM_THREADS, else the physical cores this process may use.

    Two threads on one physical core are slower than one in matrix products.
    """
    if (asked := os.environ.get("OMP_NUM_THREADS", "")).isdigit() and int(asked) > 0:
        return int(asked)
    return usable_cores()


def usable_cores() -> int:
    """Return how many physical cores this process may use."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, psutil.cpu_count(logical=False) or allowed)


def make_accelerator(device: torch.device) -> Accelerator:
    """Return accelerate's handle on a device. Precision is ours (`autocast`), so its own stays off."""
    if AcceleratorState._shared_state and AcceleratorState().device.type != device.type:
        AcceleratorState._reset_state(reset_partial_state=True)
    # Processes of a team wait for the first one between stages, for as long as it takes.
    patient = InitProcessGroupKwargs(timeout=timedelta(days=30))
    return Accelerator(cpu=device.type == "cpu", mixed_precision="no", kwargs_handlers=[patient])


def autocast(device: torch.device, precision: Precision) -> Callable[[], AbstractContextManager[Any]]:
    """Return a function that opens the context in which the model is computed."""
    if precision == "fp32":
        return nullcontext
    return lambda: torch.autocast(device.type, dtype=torch.bfloat16)
