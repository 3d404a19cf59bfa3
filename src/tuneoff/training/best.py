"""The weights of a stage's best evaluation: kept while it trains, put back at its end."""

import torch

from tuneoff.choosing import merit
from tuneoff.training.job import Job
from tuneoff.training.state import Best, TrainingState


def keep_if_best(job: Job, state: TrainingState) -> None:
    """Keep the weights as they stand if the evaluation just made is better than all before; else do nothing.

    The first evaluation makes the copy, the later ones write into it: if memory runs out, it does so before the first
    step. Nothing is kept where the stage reports its last weights.
    """
    by = job.budget.chosen_by
    if by is None:
        return
    row = state.history[-1]
    best = state.best
    if best is not None and merit(row["accuracy"], row["loss"], by) <= merit(best.accuracy, best.loss, by):
        return
    weights = best.weights if best else {name: torch.empty(v.shape, dtype=v.dtype) for name, v in job.trained.items()}
    with torch.no_grad():
        for name, value in job.trained.items():
            weights[name].copy_(job.team.whole(value))
    state.best = Best(row["stage_step"], row["accuracy"], row["loss"], weights)


def put_best_back(job: Job, state: TrainingState) -> int:
    """Give the classifier the weights that are reported, and return the step that they are of."""
    if state.best is None:
        return state.step
    with torch.no_grad():
        for name, value in state.best.weights.items():
            job.trained[name].copy_(job.team.own(value, job.trained[name]))
    return state.best.step
