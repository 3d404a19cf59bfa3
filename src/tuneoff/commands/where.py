"""Where the stages of `tuneoff run` are computed, from its options and from the launcher that started it."""

import os
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

from tuneoff.errors import ExecutorError
from tuneoff.executors.local import Executor, run_plan
from tuneoff.reading import ReadStudy


def launched() -> int | None:
    """Return the number of this process among those that a launcher started together; None if it is alone."""
    together = int(os.environ.get("WORLD_SIZE", "1")) > 1 and "RANK" in os.environ
    return int(os.environ["RANK"]) if together else None


def followed(read: ReadStudy, *, shard: bool) -> bool:
    """Do the part of a process that is not the first of several, and return True; else return False at once."""
    if not launched():
        return False
    from tuneoff.executors.together import follow

    follow(read, shard=shard)
    return True


def executor_of(
    read: ReadStudy,
    name: Literal["local", "ray"],
    processes: int | None,
    *,
    address: str | None = None,
    cpus: int | None = None,
    gpus: int | None = None,
    shard: bool = False,
) -> AbstractContextManager[Executor]:
    """Return a context that gives what computes a study's stages.

    Raises ExecutorError for an option that belongs to another executor, or where the executor is not to be had.
    """
    several = launched() is not None or (processes or 1) > 1
    if name == "ray":
        if several:
            raise ExecutorError("--executor ray: a stage is one process there; leave --processes, or the launcher, out")
        if shard:
            raise ExecutorError("--shard: it is for --processes N; leave it out with --executor ray")
        from tuneoff.executors.ray import ray_executor

        return ray_executor(read, address, cpus, gpus)
    given = {"--address": address, "--cpus": cpus, "--gpus": gpus}
    if odd := [option for option, value in given.items() if value is not None]:
        raise ExecutorError(f"{odd[0]}: it is for --executor ray; add that, or leave it out")
    if shard and not several:
        raise ExecutorError("--shard: it splits weights among processes; add --processes N, or leave it out")
    if not several:
        return nullcontext(run_plan)
    from tuneoff.executors.together import joined, processes_executor

    if launched() is not None:
        return joined(shard)
    return processes_executor(processes or 1, read.study.protocol.threads, shard=shard)
