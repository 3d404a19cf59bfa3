"""Evaluation of a split: the logits of every example, its mean loss and its accuracy."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tuneoff.training.inputs import TokenInputs
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
    return _computed(job, state, split, lambda rows: job.inputs.logits(job.classifier, split, rows)).cpu().numpy()


def vectors_of(job: Job, state: TrainingState, split: str) -> Tensor:
    """Return the pooled vectors [N, H] of a whole split, in row order, as the backbone stands."""
    texts = texts_of(job)
    return _computed(job, state, split, lambda rows: texts.vectors(job.classifier, split, rows)).to(job.device)


def texts_of(job: Job) -> TokenInputs:
    """Return a job's inputs, where they are texts and the whole backbone is computed; raises TypeError elsewhere."""
    if not isinstance(job.inputs, TokenInputs):
        raise TypeError(f"{job.technique.name} needs the vectors of whole texts, and its inputs are not texts")
    return job.inputs


def _computed(job: Job, state: TrainingState, split: str, compute: Callable[[Rows], Tensor]) -> Tensor:
    """Return what is computed of a whole split, in row order, float32 on the CPU, in parts of like length."""
    job.classifier.eval()
    found: list[tuple[Rows, Tensor]] = []

    def need_less(left: Rows) -> bool:
        return ease(job, state, split, left, gradients=False)

    with job.team.without_gradients(), job.autocast():
        for batch in _batches(job, len(job.labels[split])):
            found += in_parts(job.inputs, split, batch, compute, need_less, job.team)
    tokens = [job.inputs.tokens(split, rows) for rows, _ in found]
    read, padded = job.team.total(sum(real for real, _ in tokens), sum(computed for _, computed in tokens))
    state.tokens["evaluated"] += read
    state.tokens["computed"] += padded
    together = torch.zeros(len(job.labels[split]), job.team.most(found[0][1].shape[1] if found else 0))
    for chosen, values in found:
        together[torch.from_numpy(chosen)] = values.float().cpu()
    job.team.add(together)  # each row is zero in all processes but one
    return together


def _batches(job: Job, count: int) -> list[Rows]:
    """Return a split as one batch, or in its own order where a text's logits depend on its batch."""
    rows = np.arange(count, dtype=np.int64)
    if not job.classifier.depends_on_batch:
        return [rows]
    return [rows[start : start + job.budget.batch_size] for start in range(0, count, job.budget.batch_size)]
