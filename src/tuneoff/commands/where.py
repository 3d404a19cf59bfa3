"""Where the stages of `tuneoff run` are computed, from its options."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

from tuneoff.errors import ExecutorError
from tuneoff.executors.local import Executor, run_plan
from tuneoff.reading import ReadStudy


def executor_of(
    read: ReadStudy,
    name: Literal["local", "ray"],
    *,
    address: str | None = None,
    cpus: int | None = None,
    gpus: int | None = None,
) -> AbstractContextManager[Executor]:
    """Return a context that gives what computes a study's stages.

    Raises ExecutorError for an option that belongs to another executor, or where the executor is not to be had.
    """
    if name == "ray":
        from tuneoff.executors.ray import ray_executor

        return ray_executor(read, address, cpus, gpus)
    given = {"--address": address, "--cpus": cpus, "--gpus": gpus}
    if odd := [option for option, value in given.items() if value is not None]:
        raise ExecutorError(f"{odd[0]}: it is for --executor ray; add that, or leave it out")
    return nullcontext(run_plan)
