"""The training loop: evaluate, save, stop, step. It knows no technique's name."""

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tuneoff.training.best import keep_if_best, put_best_back
from tuneoff.training.evaluation import evaluate, texts_of, vectors_of
from tuneoff.training.inputs import VectorInputs
from tuneoff.training.job import Job
from tuneoff.training.optimizer import allocate, learning_rate_at
from tuneoff.training.order import Rows, batch_rows
from tuneoff.training.seeds import derive
from tuneoff.training.shortage import agreed, ease, go_on, within_memory
from tuneoff.training.state import Interrupted, TrainingState, divergence, finite

FLUSH_EVERY = 32  # steps between reads of the losses on a GPU: each read waits for it


def train(job: Job, state: TrainingState, optimizer: torch.optim.Optimizer) -> None:
    """Bring a stage from where `state` stands to its last step, in place; then open the splits it is reported on.

    Where weights are chosen, the classifier ends with those of the best evaluation, not of the last step.

    A step that runs out of memory is repeated with a smaller token budget (see `shortage`). Torch's global random state
    is the same afterwards as before. Raises Divergence where the loss is not finite, DoesNotFit where a single example
    is too large for the memory, and Interrupted, after saving, where the user asked to stop.
    """
    go_on(job, state.history)
    allocate(optimizer)
    job.technique.hear_train(job.labels["train"], job.groups)
    devices = [job.device] if job.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        while True:
            watched = job.budget.watched
            if watched in job.budget.splits_at(state.step) and (watched, state.step) not in state.logits:
                _flush(job, state)
                if job.technique.fits_head:
                    _fit_head(job, state)
                evaluate(job, state, watched, state.step)
                keep_if_best(job, state)
            if state.step == job.budget.steps:
                for parameter in job.trained.values():  # some may have had no gradient in the last step
                    parameter.requires_grad_(True)
                reported = put_best_back(job, state)
                for split in job.budget.reported_after:
                    evaluate(job, state, split, reported)
                return
            stopping = job.team.any(job.stop())
            if stopping:
                _flush(job, state)
            job.save(state, optimizer, stopping)
            if stopping:
                raise Interrupted("stopped as asked; run the same command again to go on")
            begun = time.perf_counter()
            if job.technique.gradient_free:
                _fit(job, state)
            else:
                take_step(job, state, optimizer)
            state.seconds["training"] += time.perf_counter() - begun
            if job.device.type == "cpu" or len(state.pending) >= FLUSH_EVERY:
                _flush(job, state)


def take_step(job: Job, state: TrainingState, optimizer: torch.optim.Optimizer) -> None:
    """Take one optimizer step on one random batch."""
    rate = learning_rate_at(job.optimization, state.step, job.budget.steps)
    rows = batch_rows(len(job.labels["train"]), job.budget.batch_size, job.seed_order, state.step)
    partners = job.technique.partners(rows, derive(job.seed_order, "partners", state.step))

    def attempt() -> tuple[Tensor, Tensor, int, int, Tensor]:
        torch.manual_seed(derive(job.seed_dropout, "step", state.step))
        parameters = _select_trainable(job, state.step)
        job.technique.train_mode(job.classifier)
        with agreed(job.team):
            loss, correct, tokens, computed = _accumulate_gradients(job, rows, partners, state.step)
        job.team.add_gradients(job.trained.values())
        job.team.add(loss, correct)
        tokens, computed = job.team.total(tokens, computed)
        return loss, correct, tokens, computed, _clip(job, parameters)

    def need_less() -> bool:
        optimizer.zero_grad(set_to_none=True)
        _flush(job, state)
        return ease(job, state, "train", rows, gradients=True)

    loss, correct, tokens, computed, norm = within_memory(attempt, need_less)
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("rate_factor", 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    state.step += 1
    state.tokens["trained"] += tokens
    state.tokens["computed"] += computed
    job.technique.after_step(job.classifier, state.step)
    position = {"event": "train", "stage_step": state.step, "step": job.first_step + state.step}
    row = {**position, "learning_rate": rate, "tokens": tokens}
    state.pending.append((row, loss, correct / len(rows), norm))


def _fit(job: Job, state: TrainingState) -> None:
    """Take the one step of a stage without gradients: fit on all vectors of train."""
    if not isinstance(job.inputs, VectorInputs):
        raise TypeError(f"{job.technique.name} is fitted on vectors, so it needs them as its inputs")
    labels = torch.from_numpy(job.labels["train"]).to(job.device)
    job.technique.fit(job.classifier, job.inputs.vectors["train"], labels)
    state.step += 1


def _select_trainable(job: Job, step: int) -> list[torch.nn.Parameter]:
    """Let the parameters that this step trains get gradients, and no others."""
    chosen = set(job.technique.trainable_at(step, job.budget.steps, job.trained.keys()))
    job.team.select(job.trained, chosen)
    return [parameter for name, parameter in job.trained.items() if name in chosen]


def _fit_head(job: Job, state: TrainingState) -> None:
    """Fit the head on train's vectors as the backbone stands; the time is the evaluation's that it is fitted for."""
    begun = time.perf_counter()
    vectors = vectors_of(job, state, "train")
    job.technique.fit(job.classifier, vectors, torch.from_numpy(job.labels["train"]).to(job.device))
    state.seconds["evaluation"] += time.perf_counter() - begun


def _accumulate_gradients(job: Job, rows: Rows, partners: Rows | None, step: int) -> tuple[Tensor, Tensor, int, int]:
    """Add up the gradients of this process's micro-batches of a batch, each weighted by its share of the examples.

    Returns their part of the batch's mean loss and its count of right answers, both left on the device, their real
    tokens and those computed, padding included.
    """
    loss = torch.zeros((), device=job.device, dtype=torch.float64 if job.device.type == "cpu" else None)
    correct = torch.zeros((), device=job.device)
    tokens = computed = 0
    read = rows if partners is None else np.stack([rows, partners])
    for number, part, counts in job.team.share(job.inputs.parts("train", read)):
        if job.team.size > 1:  # masks must not depend on who computes a part
            torch.manual_seed(derive(job.seed_dropout, "step", step, "part", number))
        chosen = read[..., part].reshape(-1)
        labels = torch.from_numpy(job.labels["train"][rows[part]]).to(job.device)
        with job.autocast():
            if partners is None:
                logits = job.inputs.logits(job.classifier, "train", chosen)
                losses = job.technique.loss(logits, labels)
            else:
                logits, losses = _of_pairs(job, chosen, labels)
        share = losses.sum() / len(rows)
        job.accelerator.backward(share if counts else 0 * share)
        if not counts:
            continue
        loss += share.detach()
        correct += (logits.detach().argmax(dim=1) == labels).sum()
        real, padded = job.inputs.tokens("train", chosen)
        tokens += real
        computed += padded
    return loss, correct, tokens, computed


def _of_pairs(job: Job, rows: Rows, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Return logits [B, C] and losses [B] of pairs: rows [2 B], of which the first half is held against the second."""
    first, second = texts_of(job).vectors(job.classifier, "train", rows).chunk(2)
    others = torch.from_numpy(job.labels["train"][rows[len(labels) :]]).to(job.device)
    with torch.autocast(job.device.type, enabled=False):
        losses = job.technique.pair_loss(first, second, labels == others)
    return job.classifier.classify(first.detach()), losses


def _clip(job: Job, parameters: list[torch.nn.Parameter]) -> Tensor:
    """Return the norm of the gradient, which is clipped if the stage asks for it."""
    limit = job.optimization.max_grad_norm
    return job.team.number(torch.nn.utils.clip_grad_norm_(parameters, float("inf") if limit == "off" else limit))


def _flush(job: Job, state: TrainingState) -> None:
    """Read the losses of the last steps from the device into the history; raises Divergence at a bad one."""
    begun = time.perf_counter()
    if job.device.type == "cuda":
        torch.cuda.synchronize(job.device)  # the steps that were only asked for so far take their time here
    state.seconds["training"] += time.perf_counter() - begun
    for row, loss, accuracy, norm in state.pending:
        numbers: dict[str, Any] = {
            "loss": finite(loss.item()),
            "accuracy": accuracy.item(),
            "grad_norm": finite(norm.item()),
            "seconds": state.elapsed,
        }
        state.history.append(row | numbers)
        job.events(state.history[-1])
        if numbers["loss"] is None or numbers["grad_norm"] is None:
            raise divergence(state, row["stage_step"], row["learning_rate"], numbers["grad_norm"])
    state.pending.clear()
