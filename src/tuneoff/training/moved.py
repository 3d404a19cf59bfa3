"""How far a stage, and those before it, moved the vectors of test from those of the untouched model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tuneoff.evidence.representation import linear_cka
from tuneoff.planned import PlannedStage
from tuneoff.training.build import HEAD, Ancestor, make_technique, sketch, trains_head_alone
from tuneoff.training.inputs import VectorInputs
from tuneoff.training.job import Job
from tuneoff.training.shortage import SHORTAGES
from tuneoff.training.untouched import vectors_of_test
from tuneoff.training.workplace import Workplace

MOST_ROWS = 1_000  # of test: a share of one evaluation, and more hardly changes the number
NO_VECTORS = "a text has no vector of its own with this head or pooling"


def prepare_untouched(stage: PlannedStage, place: Workplace, ancestors: Sequence[Ancestor]) -> None:
    """Compute the untouched model's vectors of test where this stage will be held against them.

    That is done before the stage's own model is loaded, so that there are never two in memory; once for all stages.
    """
    if not _compared(stage, place) or place.untouched is not None:
        return
    head_alone = trains_head_alone(sketch(make_technique(stage.spec), place.model, len(place.data.classes)))
    if not head_alone or _moved_before(ancestors):
        place.untouched = vectors_of_test(place, MOST_ROWS)


def how_far(stage: PlannedStage, place: Workplace, ancestors: Sequence[Ancestor], job: Job) -> dict[str, Any] | None:
    """Return `cka`, the number of `rows` and the `reason` if it is unknown, as the job's classifier stands.

    None for a stage that opens no test. A head alone, on the untouched backbone, moves nothing: 1 by construction.
    """
    assert stage.budget is not None
    if not stage.budget.opens_test:
        return None
    rows = min(MOST_ROWS, len(place.data.splits["test"]))
    if not _compared(stage, place):
        return {"cka": None, "rows": rows, "reason": NO_VECTORS}
    if not _moved_before(ancestors) and all(name.startswith(HEAD) for name in job.trained):
        return {"cka": 1.0, "rows": rows, "reason": None}
    if place.untouched is None:
        return {"cka": None, "rows": rows, "reason": "the untouched model's vectors were not computed"}
    try:
        cka = linear_cka(place.untouched, _vectors(job, rows))
    except SHORTAGES:
        return {"cka": None, "rows": rows, "reason": "out of memory"}
    return {"cka": cka, "rows": rows, "reason": "the vectors are all equal or not finite" if cka is None else None}


def _compared(stage: PlannedStage, place: Workplace) -> bool:
    assert stage.budget is not None
    return stage.budget.opens_test and place.model.head != "native" and place.model.pooling != "misindexed"


def _moved_before(ancestors: Sequence[Ancestor]) -> bool:
    return any(ancestor.changes_backbone for ancestor in ancestors)


def _vectors(job: Job, count: int) -> NDArray[np.float32]:
    """Return the pooled vectors (rows, size) of the first rows of test."""
    if isinstance(job.inputs, VectorInputs):
        return job.inputs.vectors["test"][:count].float().cpu().numpy()
    head = job.classifier.head
    assert head is not None
    found: list[torch.Tensor] = []
    hook = head.register_forward_pre_hook(lambda _, given: found.append(given[0].detach().float().cpu()))
    rows = np.arange(count, dtype=np.int64)
    job.classifier.eval()
    vectors = np.empty((count, 0), dtype=np.float32)
    try:
        with torch.inference_mode(), job.autocast():
            for part in job.inputs.parts("test", rows):
                job.inputs.logits(job.classifier, "test", part)
                values = found.pop().numpy()
                if not vectors.size:
                    vectors = np.empty((count, values.shape[1]), dtype=np.float32)
                vectors[part] = values
    finally:
        hook.remove()
    return vectors
