"""The memory of a device, and how much of it a stage is predicted to take."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import torch

from tuneoff.estimate import BYTES, Cost, moved_numbers
from tuneoff.footprint import fixed_on_gpu, largest_tokens, stage_peak
from tuneoff.forecast import Texts, longest
from tuneoff.plan import PlannedStage
from tuneoff.training.limit import data_bytes

if TYPE_CHECKING:
    from tuneoff.training.workplace import Workplace

CGROUP_MAX = Path("/sys/fs/cgroup/memory.max")
MACHINE, GPU, GROUP, LIMIT = "the machine", "the GPU", "the control group", "protocol.memory_limit"


@dataclass(frozen=True)
class Room:
    """The memory of the device: `total` bytes, `free` now, and what sets the total, one of the four above."""

    total: int
    free: int
    set_by: str


@dataclass(frozen=True)
class Need:
    """The bytes that a stage takes at its peak, and those of them that no smaller micro-batch spares."""

    peak: int
    least: int


def need(stage: PlannedStage, cost: Cost, texts: Texts, place: "Workplace") -> Need:
    """Return the memory that a stage is predicted to take where it will be computed."""
    device, moved = place.accelerator.device, moved_numbers(cost, texts.used)
    if device.type == "cpu":
        peak = stage_peak(stage, cost, texts, place.execution, device)
        # Mapped weights do not count against a limit.
        return Need(peak, peak if place.limit is None else data_bytes() + BYTES * cost.copies * moved)
    least = fixed_on_gpu(cost, texts.used)
    tokens = longest(texts.lengths) + cost.extra
    if not place.automatic_budget:
        tokens = max(tokens, largest_tokens(stage, cost, texts, place.execution, device))
    return Need(least + cost.per_token * tokens, least)


def room_of(device: torch.device, limit: int | None) -> Room | None:
    """Return the memory of a device, within the study's limit; None where it cannot be known."""
    if device.type == "cuda":
        from tuneoff.training.budget import free_bytes

        total = torch.cuda.get_device_properties(device).total_memory
        if limit is not None and limit < total:
            return Room(limit, free_bytes(device, limit), LIMIT)
        return Room(total, free_bytes(device, limit), GPU)
    if device.type != "cpu":
        return None
    machine = psutil.virtual_memory()
    # What this process takes already is part of what is predicted.
    free = machine.available + psutil.Process().memory_info().rss
    allowed = [(machine.total, MACHINE), *_of_control_group()]
    allowed += [] if limit is None else [(limit, LIMIT)]
    total, set_by = min(allowed)
    return Room(total, min(free, total), set_by)


def _of_control_group() -> list[tuple[int, str]]:
    """Return what the control group of this process (a container) may take, if that is limited."""
    try:
        text = CGROUP_MAX.read_text(encoding="ascii").strip()
    except OSError:
        return []
    return [(int(text), GROUP)] if text.isdigit() else []
