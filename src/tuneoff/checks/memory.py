"""Memory and disk: what the stages are predicted to take, against what there is."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tuneoff.checks.base import Check
from tuneoff.checks.finding import Finding
from tuneoff.checks.messages import message

if TYPE_CHECKING:
    from tuneoff.checks.patient import Patient
    from tuneoff.estimate import Cost
    from tuneoff.footprint import Kind
    from tuneoff.forecast import Texts
    from tuneoff.plan import PlannedStage
    from tuneoff.training.workplace import Workplace

WHILE_REPLACED = 2  # a checkpoint is written beside the one before it

ENGLISH = {
    "done": "Everything is computed already, so no memory is needed.",
    "unknown": "How much memory {device} has is not known.",
    "too_small": "{stage} is predicted to take {least:size} of memory or more, and {set_by} has {total:size}.",
    "ran_out": "Memory ran out as the model was made ({why}), so no check was made of it.",
    "use_less": "Use a technique that trains fewer weights, a smaller model, or a shorter max_length.",
    "tight": "{stage} is predicted to take {peak:size} of memory, and {set_by} has {total:size}: it will go on with "
    "smaller micro-batches, or fail.",
    "lower_tokens": "Lower protocol.micro_tokens. Use a technique that trains fewer weights, a smaller model, or a "
    "shorter max_length.",
    "in_use": "{stage} is predicted to take {peak:size} of memory, and {free:size} of {total:size} are free now.",
    "end_others": "End other programs before the study begins.",
    "fits": "{stage} is predicted to take {peak:size} of memory, and {free:size} are free.",
    "machine": "the machine",
    "gpu": "the GPU",
    "group": "the control group",
    "limit": "protocol.memory_limit",
    "disk": "disk",
    "no_disk": "The weights that the study keeps take {kept:size}, and the disk of {folder} has {free:size} free.",
    "keep_less": "Set protocol.keep_weights: last-seed or none, or give a run directory on a larger disk (--out).",
    "little_disk": "Weights and the largest checkpoint take {needed:size}{cached}, and the disk has {free:size} free.",
    "cached": " and frozen layers' activations {cache:size}",
    "make_room": "Make room on the disk, or set TUNEOFF_CACHE_LIMIT, which only makes the study slower.",
    "disk_fits": "The study keeps {kept:size} of weights, with {checkpoint:size} for a checkpoint while it trains, and "
    "{free:size} of disk are free.",
}
RUSSIAN = {
    "done": "Всё уже вычислено, память не нужна.",
    "unknown": "Сколько памяти у {device}, неизвестно.",
    "too_small": "{stage}: по прогнозу нужно не менее {least:size} памяти, а есть {total:size} ({set_by}).",
    "ran_out": "Когда модель создавалась, память закончилась ({why}), и проверки этого способа не выполнены.",
    "use_less": "Возьмите способ, который обучает меньше весов, модель поменьше или меньший max_length.",
    "tight": "{stage}: по прогнозу нужно {peak:size} памяти, а есть {total:size} ({set_by}): обучение пойдёт более "
    "мелкими микропакетами или не удастся.",
    "lower_tokens": "Уменьшите protocol.micro_tokens. Возьмите способ, который обучает меньше весов, модель поменьше "
    "или меньший max_length.",
    "in_use": "{stage}: по прогнозу нужно {peak:size} памяти, а свободно сейчас {free:size} из {total:size}.",
    "end_others": "Завершите другие программы до начала исследования.",
    "fits": "{stage}: по прогнозу нужно {peak:size} памяти, свободно {free:size}.",
    "machine": "память машины",
    "gpu": "память видеокарты",
    "group": "предел контрольной группы, cgroup",
    "limit": "protocol.memory_limit",
    "disk": "диск",
    "no_disk": "Веса, которые исследование сохраняет, займут {kept:size}, а на диске с каталогом {folder} "
    "свободно {free:size}.",
    "keep_less": "Задайте protocol.keep_weights: last-seed или none либо каталог на диске побольше (--out).",
    "little_disk": "Веса и наибольшая контрольная точка займут {needed:size}{cached}, а на диске свободно {free:size}.",
    "cached": ", активации замороженных слоёв — {cache:size}",
    "make_room": "Освободите место на диске или задайте TUNEOFF_CACHE_LIMIT: исследование лишь пойдёт медленнее.",
    "disk_fits": "Исследование сохранит весов {kept:size}; контрольная точка во время обучения займёт "
    "{checkpoint:size}; на диске свободно {free:size}.",
}


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
    words: ClassVar = {"en": ENGLISH, "ru": RUSSIAN}
    quick = True
    whole = True

    def of_shortage(self, technique: str, model: str, why: str) -> Finding:
        """Return the finding that memory ran out as a stage's model was made."""
        about = message("stage", technique=technique, model=model)
        return self.finding("error", "ran_out", "use_less", about=about, values={"why": why})

    def of_study(self, patient: "Patient") -> Iterator[Finding]:
        """Yield a finding on memory and one on the disk."""
        from tuneoff.footprint import costs_by_kind, texts_of

        stages = [*patient.plan.to_run, *patient.plan.tuning_to_run]
        if not stages:
            yield self.finding("fine", "done")
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
        stages: "list[PlannedStage]",
        costs: "Mapping[Kind, Cost]",
        texts: "Mapping[tuple[str, str], Texts]",
        places: "Mapping[tuple[str, str], Workplace]",
    ) -> Finding:
        from tuneoff.checks.room import GPU, GROUP, LIMIT, MACHINE, need, room_of
        from tuneoff.footprint import kind_of

        place = next(iter(places.values()))
        room = room_of(place.accelerator.device, place.limit)
        if room is None:
            device = place.accelerator.device.type
            return self.finding("fine", "unknown", evidence={"device": device}, values={"device": device})
        first = {kind_of(stage): stage for stage in reversed(stages)}
        needs = {kind: need(stage, costs[kind], texts[kind[:2]], places[kind[:2]]) for kind, stage in first.items()}
        largest = max(needs, key=lambda kind: needs[kind].peak)
        chain = largest[-1]
        found = needs[largest]
        several = len({task for _, task in places}) > 1
        peaks = {_titled(kind, several): one.peak for kind, one in needs.items()}
        evidence = {"predicted": peaks, "total": room.total, "free": room.free, "set_by": room.set_by}
        set_by = {MACHINE: message("machine"), GPU: message("gpu"), GROUP: message("group"), LIMIT: message("limit")}
        values: dict[str, Any] = {
            "stage": _titled(largest, several),
            "peak": found.peak,
            "total": room.total,
            "free": room.free,
            "set_by": set_by[room.set_by],
        }
        fatal = max(needs, key=lambda kind: needs[kind].least)
        least = needs[fatal].least
        if least > room.total:
            evidence["least"] = least
            values |= {"stage": _titled(fatal, several), "least": least}
            return self.finding("error", "too_small", "use_less", about=fatal[-1], evidence=evidence, values=values)
        if found.peak > room.total:
            return self.finding("warning", "tight", "lower_tokens", about=chain, evidence=evidence, values=values)
        if found.peak > room.free:
            return self.finding("warning", "in_use", "end_others", about=chain, evidence=evidence, values=values)
        return self.finding("fine", "fits", evidence=evidence, values=values)

    def _disk(
        self, patient: "Patient", costs: "Mapping[Kind, Cost]", texts: "Mapping[tuple[str, str], Texts]"
    ) -> Iterator[Finding]:
        from tuneoff.estimate import BYTES, moved_numbers
        from tuneoff.footprint import cache_bytes, kept_bytes
        from tuneoff.models.activation_cache import cache_folder, cache_limit

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
            values = {"kept": kept, "folder": str(patient.store.root), "free": free}
            yield self.finding("error", "no_disk", "keep_less", about=message("disk"), evidence=evidence, values=values)
            return
        same = out.stat().st_dev == cache.stat().st_dev
        if needed + (cached if same else 0) > free or cached > beside:
            values = {"needed": needed, "cached": message("cached", cache=cached) if cached else "", "free": free}
            yield self.finding(
                "warning", "little_disk", "make_room", about=message("disk"), evidence=evidence, values=values
            )
            return
        values = {"kept": kept, "checkpoint": checkpoint, "free": free}
        yield self.finding("fine", "disk_fits", evidence=evidence, values=values)


def _titled(kind: "Kind", several: bool) -> str:
    """Return a kind of stage as it is named in a sentence; its task where there are several."""
    model, task, chain = kind
    return f"{chain} ({model}, {task})" if several else f"{chain} ({model})"


def _there(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.is_dir())
