"""How fast each stage of a plan would be, measured on a few layers of its model."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import psutil

from tuneoff.errors import ModelError
from tuneoff.footprint import Kind, kind_of
from tuneoff.forecast import Texts
from tuneoff.models.resolve import ResolvedModel
from tuneoff.plan import Plan, PlannedStage
from tuneoff.training.memory import keep_freed_memory
from tuneoff.training.pilot import Circumstances, Pace, measure_pace, pilot_bytes
from tuneoff.training.shortage import SHORTAGES, is_shortage

Announce = Callable[[str], None]


def paces_by_kind(
    plan: Plan,
    models: Mapping[str, ResolvedModel],
    texts: Mapping[tuple[str, str], Texts],
    n_classes: Mapping[str, int],
    how: Circumstances,
    announce: Announce,
    notes: list[str],
) -> dict[Kind, Pace]:
    """Return the pace of each stage that would be computed; where one cannot be measured, a note says why.

    Those that train alike are measured once, also on other tasks whose texts are about as long.
    """
    keep_freed_memory()  # as a run does
    measured: dict[Any, Pace | None] = {}
    found: dict[Kind, Pace] = {}
    for stage in plan.to_run:
        model, task = stage.address.model, stage.address.task
        read, classes = texts.get((model, task)), n_classes.get(task)
        if read is None or classes is None or kind_of(stage) in found:
            continue
        settings = {**stage.spec.settings.keyed_values(), "learning_rate": None}
        lengths = read.usual_batch(plan.study.protocol.batch_size)
        about = round(math.log2(max(1.0, sum(lengths) / len(lengths))))
        alike = (model, stage.spec.technique, json.dumps(settings, sort_keys=True, default=str), about)
        if alike not in measured:
            announce(f"timing {stage.spec.technique} on a few layers of {model}")
            try:
                measured[alike] = _pace(stage, models[model], classes, lengths, how)
            except ModelError as error:  # it fits the model, and not the few layers that are timed
                measured[alike] = None
                notes.append(f"the time of {stage.address.chain} is unknown: on a few layers of {model}, {error}")
            except MemoryError:
                measured[alike] = None
                notes.append(
                    f"{stage.spec.chain} on {model}: not timed, a few of its layers do not fit into memory here"
                )
        if (pace := measured[alike]) is not None:
            found[kind_of(stage)] = pace
    return found


def _pace(stage: PlannedStage, model: ResolvedModel, classes: int, lengths: Sequence[int], how: Circumstances) -> Pace:
    """Return a stage's pace; raises MemoryError where memory does not do for the few layers on which it is measured."""
    if how.device.type == "cpu" and pilot_bytes(stage, model, classes) > psutil.virtual_memory().available:
        raise MemoryError  # Linux would give the memory, and end the process that then uses it
    try:
        return measure_pace(stage, model, classes, lengths, how)
    except SHORTAGES as error:
        if not is_shortage(error):
            raise
        raise MemoryError from error
