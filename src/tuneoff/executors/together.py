"""Running each stage by several processes together, each with a share of every batch."""

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tuneoff.errors import ExecutorError, TuneoffError
from tuneoff.executors.local import Observer, Place, put_away_others, run_plan
from tuneoff.plan import Plan, PlannedStage
from tuneoff.store import StageRecord, Store
from tuneoff.training.build import Ancestor
from tuneoff.training.device import usable_threads
from tuneoff.training.follow import follow_stage
from tuneoff.training.further import evaluate_further
from tuneoff.training.stage import Watch, run_stage
from tuneoff.training.team import Team
from tuneoff.training.workplace import Workplace

if TYPE_CHECKING:
    from tuneoff.reading import ReadStudy

NUMBER, COUNT = "RANK", "WORLD_SIZE"  # as torch's and accelerate's launchers set them
FIRST = "TUNEOFF_FIRST"  # the number of the process that the others leave with
LOOKS_EVERY = 1.0  # seconds between two looks at another process
LEAVES_WITHIN = 10.0  # seconds that a process has to end in before it is ended


class Together:
    """Computes plans in this process, the first of a team whose others follow it (see `follow`).

    `shard` splits each stage's weights among them, where that can be.
    """

    def __init__(self, shard: bool = False) -> None:
        self._shard = shard
        self._team: Team | None = None

    def __call__(self, plan: Plan, places: Mapping[Place, Workplace], store: Store, observer: Observer) -> None:
        """Compute all stages that are not done, as `executors.local.run_plan` does, the batches shared out."""
        if self._team is None:
            self._team = Team(next(iter(places.values())).accelerator, shard=self._shard)
        run_plan(plan, places, store, observer, self._compute)

    def _compute(
        self, stage: PlannedStage, place: Workplace, ancestors: Sequence[Ancestor], store: Store, watch: Watch
    ) -> StageRecord:
        assert self._team is not None
        if record := evaluate_further(stage, place, ancestors, store, watch):
            return record
        self._team.same((stage, list(ancestors), str(store.root.resolve())))
        return run_stage(stage, place, ancestors, store, watch, self._team)

    def dismiss(self) -> None:
        """Tell the other processes that there is nothing more to do."""
        if self._team is not None:
            self._team.same(())


def follow(read: "ReadStudy", *, shard: bool) -> None:
    """Take part in the stages of a study that the first process computes, until it says that there are no more.

    Their weights are split if `shard` is set, as it is in the first process, and they can be.
    What is wrong with the study is left to the first process to say.
    """
    from tuneoff.running import prepare

    # Who started this process may be a launcher of Python's own, as in an environment on Windows.
    first = int(os.environ.get(FIRST) or os.getppid())
    threading.Thread(target=_leave_with, args=(first,), daemon=True).start()
    try:
        places = prepare(read, _Silent()).places
    except TuneoffError:
        return
    team = Team(next(iter(places.values())).accelerator, shard=shard)
    while order := team.same(()):
        stage, ancestors, root = order
        put_away_others(places, stage.address.place)
        follow_stage(stage, places[stage.address.place], ancestors, Store(Path(root)), team)


def _leave_with(first: int) -> None:
    """End this process when another one, given by its number, has ended: it would wait for it."""
    import psutil

    # Not by `os.getppid`, which on Windows gives the same number for ever.
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(first)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(LOOKS_EVERY)
    os._exit(1)


class _Silent:
    """Hears what the first process says already."""

    def features(self, split: str, done: int, total: int) -> None:
        """Hear nothing."""

    def announce(self, what: str) -> None:
        """Hear nothing."""

    def note(self, what: str) -> None:
        """Hear nothing."""


@contextmanager
def joined(shard: bool) -> Iterator[Together]:
    """Give the executor of a first process whose others were started by a launcher (`torchrun`)."""
    executor = Together(shard)
    yield executor
    executor.dismiss()


@contextmanager
def processes_executor(count: int, threads: int | None, *, shard: bool) -> Iterator[Together]:
    """Start this very command `count - 1` times more, and give the executor that shares stages with them.

    Each process has `threads`, by default its part of those that there are.
    """
    before = dict(os.environ)
    if "OMP_NUM_THREADS" not in os.environ:
        os.environ["OMP_NUM_THREADS"] = str(threads or max(1, usable_threads() // count))
    common = {COUNT: str(count), "LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1"}
    common |= {"MASTER_PORT": str(_free_port()), FIRST: str(os.getpid())}
    with tempfile.TemporaryFile() as said:
        others = [_start(number, common, said) for number in range(1, count)]
        os.environ.update({**common, NUMBER: "0", "LOCAL_RANK": "0"})
        executor, over = Together(shard), threading.Event()
        threading.Thread(target=_watch, args=(others, said, over), daemon=True).start()
        try:
            yield executor
            over.set()
            executor.dismiss()
            with suppress(subprocess.TimeoutExpired):  # it is ended below
                for other in others:
                    other.wait(LEAVES_WITHIN)
        except RuntimeError as error:
            if not _any_ends(others, LEAVES_WITHIN):  # a connection is lost a moment before its process has ended
                raise
            raise _gone(said) from error
        finally:
            over.set()
            for other in others:
                other.kill()
            os.environ.clear()
            os.environ.update(before)


def _start(number: int, common: Mapping[str, str], said: IO[bytes]) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, **common, NUMBER: str(number), "LOCAL_RANK": str(number)}
    how: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": said}
    return subprocess.Popen([sys.executable, *sys.orig_argv[1:]], env=environment, **_deaf_to_ctrl_c(), **how)


def _deaf_to_ctrl_c() -> dict[str, Any]:
    """Return how a process is started that Ctrl-C does not reach: it is for the first one, which lets others finish."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    return {"start_new_session": True}


def _watch(others: Sequence["subprocess.Popen[bytes]"], said: IO[bytes], over: threading.Event) -> None:
    """End this process where another has ended before its time: it would wait for it, deaf to everything."""
    while all(other.poll() is None for other in others):
        if over.wait(LOOKS_EVERY):
            return
    if not over.wait(LEAVES_WITHIN):
        sys.stderr.write(f"error: {_gone(said)}\n")
        for other in others:
            other.kill()
        os._exit(2)


def _any_ends(others: Sequence["subprocess.Popen[bytes]"], seconds: float) -> bool:
    """Return whether any of the processes has ended, or does so within some seconds."""
    until = time.monotonic() + seconds
    while all(other.poll() is None for other in others):
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def _gone(said: IO[bytes]) -> ExecutorError:
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    why = f" ({lines[-1]})" if lines else ""
    return ExecutorError(f"--processes: one of the processes has ended{why}; run the same command again to go on")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
