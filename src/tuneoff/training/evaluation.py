"""Evaluation of a split: the logits of every example, its mean loss and its accuracy."""

import time
from datetime import UTC, datetime

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuneoff.training.job import Job
from tuneoff.training.order import Rows
from tuneoff.training.shortage import ease, in_parts
from tuneoff.training.state import TrainingState, divergence, finite


def evaluate(job: Job, state: TrainingState, split: str, step: int) -> None:
    """Evaluate a split as the classifier stands, after `step` steps, and write it into the state.

    Raises Divergence if the loss is not finite.
    """
    begun = time.perf_counter()
    if split == "test" and state.test_opened is None:
        state.test_opened = datetime.now(UTC).isoformat(timespec="seconds")
    logits = predict(job, state, split)
    state.logits[split, step] = logits
    state.seconds["evaluation"] += time.perf_counter() - begun
    labels = job.labels[split]
    loss = torch.nn.functional.cross_entropy(torch.from_numpy(logits).double(), torch.from_numpy(labels))
    row = {
        "event": "eval",
        "split": split,
        "stage_step": step,
        "step": job.first_step + step,
        "loss": finite(loss.item()),
        "accuracy": float((logits.argmax(axis=1) == labels).mean()),
        "seconds": state.elapsed,
    }
    state.history.append(row)
    job.events(row)
    if row["loss"] is None:
        raise divergence(state, step, None, None)


def predict(job: Job, state: TrainingState, split: str) -> NDArray[np.float32]:
    """Return the logits [N, C] of a whole split, in row order, computed in parts of like length.

    A part that runs out of memory is computed again in smaller ones. A team shares the parts out.
    """
    job.classifier.eval()
    read = padded = 0
    found: list[tuple[Rows, Tensor]] = []

    def compute(rows: Rows) -> Tensor:
        nonlocal read, padded
        logits = job.inputs.logits(job.classifier, split, rows)
        real, computed = job.inputs.tokens(split, rows)
        read, padded = read + real, padded + computed
        return logits

    def need_less(left: Rows) -> bool:
        return ease(job, state, split, left, gradients=False)

    with torch.inference_mode(), job.autocast():
        for batch in _batches(job, len(job.labels[split])):
            found += in_parts(job.inputs, split, batch, compute, need_less, job.team)
    read, padded = job.team.total(read, padded)
    state.tokens["evaluated"] += read
    state.tokens["computed"] += padded
    columns = job.team.most(found[0][1].shape[1] if found else 0)
    logits = np.zeros((len(job.labels[split]), columns), dtype=np.float32)
    for chosen, values in found:
        logits[chosen] = values.cpu().numpy()
    job.team.add(torch.from_numpy(logits))  # each row is zero in all processes but one
    return logits


def _batches(job: Job, count: int) -> list[Rows]:
    """Return a split as one batch, or in its own order where a text's logits depend on its batch."""
    rows = np.arange(count, dtype=np.int64)
    if not job.classifier.depends_on_batch:
        return [rows]
    return [rows[start : start + job.budget.batch_size] for start in range(0, count, job.budget.batch_size)]
