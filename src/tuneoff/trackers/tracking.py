"""A study's listener that tells trackers of its runs, beside the listener that it stands before."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tuneoff.estimate import Work
from tuneoff.executors.local import Observer
from tuneoff.plan import Plan, PlannedStage
from tuneoff.running import Listener
from tuneoff.store import CHECKPOINT, StageAddress, StageRecord, Store
from tuneoff.trackers import FOLDER, check_trackers, make_trackers
from tuneoff.trackers.base import TrackedRun
from tuneoff.trackers.described import describe_run, final_numbers, run_address, stages_up_to
from tuneoff.trackers.follow import Follower
from tuneoff.trackers.ledger import Ledger
from tuneoff.training.checkpoint import recorded_history


@contextmanager
def tracked(listener: Listener, names: Sequence[str], out: Path) -> Iterator[Listener]:
    """Give a listener that also tells the trackers of these names; without names, the listener itself.

    Runs that were done before, and that a tracker was never told of, are told it as the context is left without an
    error. Raises StudyError for a tracker that is not known or not installed.
    """
    check_trackers(names)
    if not names:
        yield listener
        return
    trackers = zip(dict.fromkeys(names), make_trackers(names, out), strict=True)
    followers = [Follower(name, one, Ledger(out / FOLDER / f"{name}.jsonl"), listener.note) for name, one in trackers]
    tracking = Tracking(listener, followers, Store(out))
    try:
        yield tracking
        tracking.tell_the_rest()
    finally:
        for follower in followers:
            follower.leave()
    for follower in followers:
        if how := follower.look():
            listener.note(how)


class Tracking:
    """Hears what `listener` hears, and tells it to the followers: of one stage at a time, row by row.

    Where stages run beside each other, the others are told when they end.
    """

    def __init__(self, listener: Listener, followers: Sequence[Follower], store: Store) -> None:
        self._listener, self._followers, self._store = listener, followers, store
        self._plan: Plan | None = None
        self._stages: dict[StageAddress, PlannedStage] = {}
        self._now: StageAddress | None = None

    def watch(self, plan: Plan, work: Mapping[StageAddress, Work]) -> Observer:
        """Return who observes the stages of a plan, given each stage's expected work."""
        inner = self._listener.watch(plan, work)
        self._plan = plan
        self._stages |= {stage.address: stage for stage in plan.stages}

        def began(stage: PlannedStage) -> None:
            inner.began(stage)
            self._began(stage)

        def event(stage: PlannedStage, row: Mapping[str, Any]) -> None:
            inner.event(stage, row)
            if stage.address == self._now:
                for follower in self._followers:
                    follower.row(row)

        def ended(stage: PlannedStage, record: StageRecord) -> None:
            inner.ended(stage, record)
            self._ended(stage, record)

        return Observer(began, event, ended, inner.skipped, inner.stop)

    def features(self, split: str, done: int, total: int) -> None:
        """Hand on how many tokens of a split have been turned into vectors."""
        self._listener.features(split, done, total)

    def announce(self, what: str) -> None:
        """Hand on what is done between the stages."""
        self._listener.announce(what)

    def note(self, what: str) -> None:
        """Hand on what went otherwise than usual."""
        self._listener.note(what)

    def tell_the_rest(self) -> None:
        """Tell the runs that were done before this command, where a tracker was not told of them."""
        for stage in self._stages.values():
            record = self._store.record(stage.address) if stage.address == run_address(stage) else None
            if record is not None and record.status == "done" and record.key == stage.key:
                self._ended(stage, record)

    def _began(self, stage: PlannedStage) -> None:
        run = self._run(stage)
        if run is None or self._now is not None:
            return
        self._now = stage.address
        # What a killed command told last may be lost in a tracker, so each row that the stage goes on from is offered.
        own = recorded_history(self._store.folder(stage.address) / CHECKPOINT, stage.key or "")
        rows = [*self._rows(stages_up_to(self._stages, stage)[:-1]), *own]
        for follower in self._followers:
            follower.begin(run, rows)

    def _ended(self, stage: PlannedStage, record: StageRecord) -> None:
        if self._now == stage.address:
            self._now = None
        run = self._run(stage)
        if run is None or all(follower.is_whole(run) for follower in self._followers):
            return
        whole = stage.address == run_address(stage) and record.status == "done"
        chain = stages_up_to(self._stages, stage)
        final = final_numbers(self._store, record, [one.address for one in chain]) if whole else {}
        for follower in self._followers:
            if not follower.is_whole(run):
                follower.end(run, self._rows(chain), final, whole=whole)

    def _run(self, stage: PlannedStage) -> TrackedRun | None:
        """Return the run that a stage is told of; None where it is of none, or its settings are not known yet."""
        address = run_address(stage)
        assert self._plan is not None
        if address is None or address not in self._stages:
            return None
        return describe_run(self._plan, stages_up_to(self._stages, self._stages[address]), self._store)

    def _rows(self, stages: Sequence[PlannedStage]) -> Iterator[Mapping[str, Any]]:
        """Yield the rows of stages that ended, first to last."""
        for stage in stages:
            yield from self._store.history(stage.address)
