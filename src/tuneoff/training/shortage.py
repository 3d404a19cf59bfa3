"""Running out of memory: told from other errors, and answered by computing fewer tokens at once."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from tuneoff.errors import ExecutorError
from tuneoff.models.checkpointing import checkpoint_layers
from tuneoff.training.hidden_inputs import HiddenInputs
from tuneoff.training.inputs import Inputs, TokenInputs
from tuneoff.training.job import Job
from tuneoff.training.limit import is_limited
from tuneoff.training.memory import release
from tuneoff.training.order import Rows
from tuneoff.training.state import TrainingState
from tuneoff.training.team import ALONE, Team

#: What running out of memory may be raised as; `is_shortage` tells it from other errors of these kinds.
SHORTAGES = (torch.OutOfMemoryError, MemoryError, RuntimeError)
ALLOCATOR = "DefaultCPUAllocator: "
SIGNS = (
    f"{ALLOCATOR}can't allocate memory",
    f"{ALLOCATOR}not enough memory",  # on Windows
    "std::bad_alloc",
    "MPS backend out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)
# What oneDNN says where it gets no memory for its code or its workspace; it says the same of what it cannot compute.
SIGNS_UNDER_A_LIMIT = ("could not create a primitive", "could not create a memory", "could not execute a primitive")
ADVICE = "use a technique that trains fewer weights, or a smaller model"
Result = TypeVar("Result")


class DoesNotFit(MemoryError):
    """Memory ran out, and nothing is left that would make the work need less."""


def is_shortage(error: BaseException) -> bool:
    """Return whether an error says that memory has run out: Python's, CUDA's, or the CPU allocator's of torch."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    signs = (*SIGNS, *SIGNS_UNDER_A_LIMIT) if is_limited() else SIGNS
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)


def said(error: BaseException) -> str:
    """Return what an error says of the memory it asked for, in a line."""
    line = (str(error) or type(error).__name__).splitlines()[0]
    return line[line.find(ALLOCATOR) + len(ALLOCATOR) :] if ALLOCATOR in line else line


def failure_of(error: BaseException, step: int) -> dict[str, Any]:
    """Return why a stage that ran out of memory failed, for its record; raises any other error as it is."""
    if not is_shortage(error):
        raise error
    advice = "" if isinstance(error, DoesNotFit) else f"; {ADVICE}"
    return {"reason": f"out of memory: {said(error)}{advice}", "step": step}


def within_memory(attempt: Callable[[], Result], ease: Callable[[], bool]) -> Result:
    """Return what `attempt` returns, repeating it where memory runs out, as long as `ease` makes it need less.

    Raises DoesNotFit where `ease` knows nothing more.
    """
    while True:
        try:
            return attempt()
        except SHORTAGES as error:
            if not is_shortage(error):
                raise
            told = said(error)
        # Only from here on is free what the attempt had computed: the error held its frames.
        if not ease():
            raise DoesNotFit(
                f"{told}; what is computed at once cannot be cut any smaller: lower the model's max_length, raise "
                f"protocol.memory_limit if it is set, or {ADVICE}"
            )
        release()


def of_one_process(team: Team, error: BaseException) -> ExecutorError:
    """Return the error that ends a command in which memory ran out in one process of several with split weights."""
    return ExecutorError(
        f"--shard: out of memory in process {team.index + 1} of {team.size} ({said(error)}); lower "
        "protocol.micro_tokens, or take more processes, and run the same command again to go on"
    )


@contextmanager
def agreed(team: Team) -> Iterator[None]:
    """Raise MemoryError in all processes of a team where memory runs out in any, so that they go on alike.

    Raises ExecutorError where the weights are sharded: the others wait for this process within a layer, and cannot be
    told.
    """
    told = None
    try:
        yield
    except SHORTAGES as error:
        if team.size == 1 or not is_shortage(error):
            raise
        if team.sharded:
            raise of_one_process(team, error) from error
        told = said(error)
    if team.any(told is not None):
        raise MemoryError(told or "memory ran out in another of the processes")


def in_parts(
    inputs: Inputs,
    split: str,
    rows: Rows,
    compute: Callable[[Rows], Tensor],
    ease: Callable[[Rows], bool],
    team: Team = ALONE,
) -> list[tuple[Rows, Tensor]]:
    """Return this process's micro-batches of some rows, each with what `compute` makes of it.

    Where memory runs out, `ease` gets the rows that are left, which are then cut anew; see `within_memory`.
    """
    found: list[tuple[Rows, Tensor]] = []
    waiting = team.share(inputs.parts(split, rows))
    of = rows

    def attempt() -> None:
        with agreed(team):
            while waiting:
                chosen = of[waiting[0].rows]
                values = compute(chosen)
                if waiting.pop(0).counts:
                    found.append((chosen, values))

    def need_less() -> bool:
        nonlocal of, waiting
        if team.size > 1:  # processes have come to different rows, and must cut the same ones
            found.clear()
        left = rows if team.size > 1 else of[np.concatenate([part.rows for part in waiting])]
        eased = ease(left)
        of, waiting = left, team.share(inputs.parts(split, left))
        return eased

    within_memory(attempt, need_less)
    return found


def ease(job: Job, state: TrainingState, split: str, rows: Rows, *, gradients: bool) -> bool:
    """Make the next attempt at some rows need less memory; False where nothing is left to do.

    The token budget is halved until the largest micro-batch of the rows gets smaller. Where it cannot, because it is
    a single example, layers are checkpointed if `gradients` are computed. Either becomes a row of the history.
    """
    texts = _texts(job.inputs)
    if texts is None:
        return False
    smaller = smaller_budget(texts, split, rows)
    row: dict[str, Any]
    if smaller is not None:
        texts.budget = smaller
        row = {"event": "budget", "micro_tokens": smaller}
    elif gradients and checkpoint_layers(job.classifier.backbone):
        row = {"event": "checkpointing"}
    else:
        return False
    position = {"stage_step": state.step, "step": job.first_step + state.step, "seconds": state.elapsed}
    state.history.append(row | position)
    job.events(state.history[-1])
    return True


def _texts(inputs: Inputs) -> TokenInputs | None:
    """Return what cuts micro-batches by tokens; None where nothing does, as for vectors."""
    if isinstance(inputs, HiddenInputs):
        return inputs.texts
    return inputs if isinstance(inputs, TokenInputs) else None


def smaller_budget(inputs: TokenInputs, split: str, rows: Rows) -> int | None:
    """Return the budget, halved as often as it takes for the largest micro-batch of some rows to get smaller.

    None where that cannot be: it is a single example, or the rows must stay together.
    """
    whole, before = inputs.budget, _largest(inputs, split, rows)
    try:
        while inputs.budget > 1:
            inputs.budget //= 2
            if _largest(inputs, split, rows) < before:
                return inputs.budget
        return None
    finally:
        inputs.budget = whole


def _largest(inputs: Inputs, split: str, rows: Rows) -> int:
    """Return the tokens, padding included, of the largest micro-batch of some rows."""
    return max(inputs.tokens(split, rows[part])[1] for part in inputs.parts(split, rows))


def go_on(job: Job, history: Sequence[Mapping[str, Any]]) -> None:
    """Let a stage that goes on be computed as it was when it stopped: with the last budget of its history."""
    for row in history:
        if row["event"] == "budget" and (texts := _texts(job.inputs)):
            texts.budget = row["micro_tokens"]
        elif row["event"] == "checkpointing":
            checkpoint_layers(job.classifier.backbone)


def eased(history: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what a stage's record says of memory that ran out, from its history.

    `halved` has each smaller budget and the number of steps done before it; `checkpointed` is the number of steps
    done before layers were checkpointed, None if they never were.
    """
    budgets = [row for row in history if row["event"] == "budget"]
    steps = [row["stage_step"] for row in history if row["event"] == "checkpointing"]
    return {
        "halved": [{"step": row["stage_step"], "micro_tokens": row["micro_tokens"]} for row in budgets],
        "checkpointed": steps[0] if steps else None,
    }
