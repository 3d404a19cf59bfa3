"""What computes the stages of a study that Python asks for."""

from contextlib import AbstractContextManager, nullcontext

from tuneoff.errors import ExecutorError
from tuneoff.executors.local import Executor, run_plan
from tuneoff.reading import ReadStudy
from tuneoff.words import described, listed, near

NAMES = ("local", "ray")


def chosen_executor(
    read: ReadStudy, name: str, address: str | None = None, cpus: int | None = None, gpus: int | None = None
) -> AbstractContextManager[Executor]:
    """Return a context that gives the executor of a name; the rest is for `ray`, see `executors.ray.ray_executor`.

    Raises ExecutorError for a name that there is not, a number that cannot be meant, what belongs to the other
    executor, and on entering where the executor is not to be had.
    """
    if name not in NAMES:
        raise ExecutorError(f"executor: there is no '{name}'.{near(str(name), NAMES)} There are: {listed(NAMES)}")
    for argument, count, least in (("cpus", cpus, 1), ("gpus", gpus, 0)):
        if count is not None and (isinstance(count, bool) or not isinstance(count, int) or count < least):
            raise ExecutorError(f"{argument}: expected a whole number of at least {least}, found {described(count)}")
    if name == "ray":
        from tuneoff.executors.ray import ray_executor

        return ray_executor(read, address, cpus, gpus)
    given = {"address": address, "cpus": cpus, "gpus": gpus}
    if odd := [argument for argument, value in given.items() if value is not None]:
        raise ExecutorError(f"{odd[0]}: it is for executor='ray'; add that, or leave it out")
    return nullcontext(run_plan)
