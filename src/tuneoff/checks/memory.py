"""Memory and disk: what the stages are predicted to take, against what there is."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import torch

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.estimate import BYTES, Cost, moved_numbers
from tuneoff.footprint import (
    Kind,
    cache_bytes,
    costs_by_kind,
    fixed_on_gpu,
    kept_bytes,
    kind_of,
    largest_tokens,
    stage_peak,
    texts_of,
)
from tuneoff.forecast import Texts, longest
from tuneoff.models.activation_cache import cache_folder, cache_limit
from tuneoff.plan import PlannedStage
from tuneoff.report.formats import size
from tuneoff.training.limit import data_bytes

if TYPE_CHECKING:
    from tuneoff.checks.patient import Patient
    from tuneoff.training.workplace import Workplace

CGROUP_MAX = Path("/sys/fs/cgroup/memory.max")
WHILE_REPLACED = 2  # a checkpoint is written beside the one before it
LESS = "Use a technique that trains fewer weights, a smaller model, or a shorter max_length."


@dataclass(frozen=True)
class Room:
    """The memory of the device: `total` bytes, `free` now, and what sets the total, in words."""

    total: int
    free: int
    set_by: str


@dataclass(frozen=True)
class Need:
    """The bytes that a stage takes at its peak, and those of them that no smaller micro-batch spares."""

    peak: int
    least: int


class Memory(Check):
    """Do the stages fit into memory, and what they leave behind on the disk?

    The peak of each kind of stage that would be computed is predicted as `tuneoff plan` does, from the model's shapes
    and the task's tokens, nothing run; the largest is held against what there is. On a CPU that is the machine's memory
    (or what its control group may take): an error where it is less than the prediction, a warning where other programs
    leave less of it. Under `protocol.memory_limit`, and on a GPU, a stage that runs out goes on with smaller
    micro-batches: an error only where weights, gradients and moments alone do not fit, else a warning. Other devices
    tell nothing of their memory.

    Disk: the weights that the stages will keep, an error where the run directory's disk has less free. With the
    checkpoint of the largest stage, which is written beside the one before it, and the activations of frozen layers,
    within the cache's limit and on the cache's disk, it is a warning.
    """

    name = "memory"
    question = "Do the stages fit into memory, and what they keep on the disk?"
    quick = True
    whole = True

    def of_study(self, patient: "Patient") -> Iterator[Finding]:
        """Yield a finding on memory and one on the disk."""
        stages = [*patient.plan.to_run, *patient.plan.tuning_to_run]
        if not stages:
            yield self.finding("fine", "Everything is computed already, so no memory is needed.")
            return
        places = patient.first_places
        models = {model: place.model for (model, _), place in places.items()}
        classes = {task: len(place.data.classes) for (_, task), place in places.items()}
        costs = costs_by_kind(patient.plan, models, classes)
        texts = {}
        for key, place in places.items():
            texts[key] = texts_of(place.tokens())
            if len(classes) > 1:
                place.put_away()
        yield self._memory(stages, costs, texts, places)
        yield from self._disk(patient, costs, texts)

    def _memory(
        self,
        stages: list[PlannedStage],
        costs: Mapping[Kind, Cost],
        texts: Mapping[tuple[str, str], Texts],
        places: Mapping[tuple[str, str], "Workplace"],
    ) -> Finding:
        place = next(iter(places.values()))
        room = _room(place.accelerator.device, place.limit)
        if room is None:
            device = place.accelerator.device.type
            return self.finding("fine", f"How much memory {device} has is not known.", evidence={"device": device})
        first = {kind_of(stage): stage for stage in reversed(stages)}
        needs = {kind: need(stage, costs[kind], texts[kind[:2]], places[kind[:2]]) for kind, stage in first.items()}
        largest = max(needs, key=lambda kind: needs[kind].peak)
        chain = largest[-1]
        found = needs[largest]
        several = len({task for _, task in places}) > 1
        peaks = {_titled(kind, several): one.peak for kind, one in needs.items()}
        evidence = {"predicted": peaks, "total": room.total, "free": room.free, "set_by": room.set_by}
        said = f"{_titled(largest, several)} is predicted to take {size(found.peak)} of memory"
        fatal = max(needs, key=lambda kind: needs[kind].least)
        if needs[fatal].least > room.total:
            return self.finding(
                "error",
                f"{_titled(fatal, several)} is predicted to take {size(needs[fatal].least)} of memory or more, and "
                f"{room.set_by} has {size(room.total)}.",
                LESS,
                about=fatal[-1],
                evidence={**evidence, "least": needs[fatal].least},
            )
        if found.peak > room.total:
            return self.finding(
                "warning",
                f"{said}, and {room.set_by} has {size(room.total)}: it will go on with smaller micro-batches, or fail.",
                f"Lower protocol.micro_tokens. {LESS}",
                about=chain,
                evidence=evidence,
            )
        if found.peak > room.free:
            return self.finding(
                "warning",
                f"{said}, and {size(room.free)} of {size(room.total)} are free now.",
                "End other programs before the study begins.",
                about=chain,
                evidence=evidence,
            )
        return self.finding("fine", f"{said}, and {size(room.free)} are free.", evidence=evidence)

    def _disk(
        self, patient: "Patient", costs: Mapping[Kind, Cost], texts: Mapping[tuple[str, str], Texts]
    ) -> Iterator[Finding]:
        stages = patient.plan.to_run
        kept = kept_bytes(patient.plan, costs, stages)
        numbers = (one.copies * moved_numbers(one, texts[kind[:2]].used) for kind, one in costs.items())
        checkpoint = WHILE_REPLACED * BYTES * max(numbers)
        cached = min(cache_bytes(costs, texts, stages), cache_limit())
        out, cache = _there(patient.store.root), _there(cache_folder())
        free, beside = shutil.disk_usage(out).free, shutil.disk_usage(cache).free
        needed = kept + checkpoint
        evidence = {"kept": kept, "checkpoint": checkpoint, "cache": cached, "free": free, "cache_free": beside}
        if kept > free:
            yield self.finding(
                "error",
                f"The weights that the study keeps take {size(kept)}, and the disk of {patient.store.root} has "
                f"{size(free)} free.",
                "Set protocol.keep_weights: last-seed or none, or give a run directory on a larger disk (--out).",
                about="disk",
                evidence=evidence,
            )
            return
        same = out.stat().st_dev == cache.stat().st_dev
        if needed + (cached if same else 0) > free or cached > beside:
            activations = f" and frozen layers' activations {size(cached)}" if cached else ""
            yield self.finding(
                "warning",
                f"Weights and the largest checkpoint take {size(needed)}{activations}, and the disk has {size(free)} "
                "free.",
                "Make room on the disk, or set TUNEOFF_CACHE_LIMIT, which only makes the study slower.",
                about="disk",
                evidence=evidence,
            )
            return
        yield self.finding(
            "fine",
            f"The study keeps {size(kept)} of weights, with {size(checkpoint)} for a checkpoint while it trains, and "
            f"{size(free)} of disk are free.",
            evidence=evidence,
        )


def _titled(kind: Kind, several: bool) -> str:
    """Return a kind of stage as it is named in a sentence; its task where there are several."""
    model, task, chain = kind
    return f"{chain} ({model}, {task})" if several else f"{chain} ({model})"


def need(stage: PlannedStage, cost: Cost, texts: Texts, place: "Workplace") -> Need:
    """Return the memory that a stage is predicted to take where it will be computed."""
    device, moved = place.accelerator.device, moved_numbers(cost, texts.used)
    if device.type == "cpu":
        peak = stage_peak(stage, cost, texts, place.execution, device)
        # Mapped weights do not count against a limit.
        return Need(peak, peak if place.limit is None else data_bytes() + BYTES * cost.copies * moved)
    least = fixed_on_gpu(cost, texts.used)
    tokens = longest(texts.lengths)
    if not place.automatic_budget:
        tokens = max(tokens, largest_tokens(stage, texts, place.execution, device))
    return Need(least + cost.per_token * tokens, least)


def _room(device: torch.device, limit: int | None) -> Room | None:
    """Return the memory of a device, within the study's limit; None where it cannot be known."""
    if device.type == "cuda":
        from tuneoff.training.budget import free_bytes

        total = torch.cuda.get_device_properties(device).total_memory
        if limit is not None and limit < total:
            return Room(limit, free_bytes(device, limit), "protocol.memory_limit")
        return Room(total, free_bytes(device, limit), "the GPU")
    if device.type != "cpu":
        return None
    machine = psutil.virtual_memory()
    # What this process takes already is part of what is predicted.
    free = machine.available + psutil.Process().memory_info().rss
    allowed = [(machine.total, "the machine"), *_of_control_group()]
    allowed += [] if limit is None else [(limit, "protocol.memory_limit")]
    total, set_by = min(allowed)
    return Room(total, min(free, total), set_by)


def _of_control_group() -> list[tuple[int, str]]:
    """Return what the control group of this process (a container) may take, if that is limited."""
    try:
        text = CGROUP_MAX.read_text(encoding="ascii").strip()
    except OSError:
        return []
    return [(int(text), "the control group")] if text.isdigit() else []


def _there(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.is_dir())
