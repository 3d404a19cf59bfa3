"""Running a plan's stages as tasks of a Ray cluster, each with the resources that it needs."""

import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tuneoff.errors import ExecutorError
from tuneoff.executors.away import TOKEN, Errand, Outcome, await_record, compute_away
from tuneoff.executors.cluster import connected
from tuneoff.executors.local import Observer, Place, adopt_equal, ancestors_of, drop_unkept_weights
from tuneoff.executors.office import Office
from tuneoff.executors.resources import Resources, StageOptions
from tuneoff.executors.schedule import Schedule
from tuneoff.files import write_text
from tuneoff.in_use import remove
from tuneoff.plan import Plan, PlannedStage
from tuneoff.store import StageAddress, Store
from tuneoff.training.state import Interrupted
from tuneoff.training.workplace import Workplace

if TYPE_CHECKING:
    from tuneoff.reading import ReadStudy

LISTEN_EVERY = 0.2  # seconds
MOST_DEATHS = 3  # of workers at one stage, after which it is the stage that kills them


@contextmanager
def ray_executor(
    read: "ReadStudy", address: str | None = None, cpus: int | None = None, gpus: int | None = None
) -> Iterator["RayExecutor"]:
    """Connect to a Ray cluster, or start one on this machine, for the stages of a study; leave it at the end.

    A stage gets `cpus` (by default as many as the study's threads, else 1) and `gpus` (1 where the cluster has any and
    the study may use them). Raises ExecutorError where Ray is not installed or there is no cluster at the address.
    """
    with connected(address) as ray:
        yield RayExecutor(ray, read, _resources(ray, read, cpus, gpus))


def _resources(ray: ModuleType, read: "ReadStudy", cpus: int | None, gpus: int | None) -> Resources:
    protocol = read.study.protocol
    if gpus is None:
        gpus = int(protocol.device in ("auto", "cuda") and ray.cluster_resources().get("GPU", 0) >= 1)
    return Resources(cpus or protocol.threads or 1, gpus)


class RayExecutor:
    """Computes plans on a Ray cluster: each stage is a task, which waits for the stage before it."""

    def __init__(self, ray: ModuleType, read: "ReadStudy", resources: Resources) -> None:
        self.ray = ray
        self.resources = resources
        self._read = read

    def __call__(self, plan: Plan, places: Mapping[Place, Workplace], store: Store, observer: Observer) -> None:
        """Compute all stages that are not done, as `executors.local.run_plan` does, as many at once as there is room.

        A stage whose worker died is begun again on another, from its last checkpoint. Raises Interrupted where the
        observer asks to stop, and ExecutorError where a machine cannot do its part.
        """
        for stage in plan.stages:
            if not stage.reason.runs:
                store.drop_unfinished(stage.address)
        root = store.root.resolve()
        token = uuid.uuid4().hex
        write_text(root / TOKEN, token)
        try:
            with _office(self.ray, root) as office:
                errand = Errand(self._shipped(places), str(root), token, version("tuneoff"), office)
                _Course(self, errand, plan, places, Store(root), observer).run()
        finally:
            remove(root / TOKEN)
        drop_unkept_weights(plan, store)

    def _shipped(self, places: Mapping[Place, Workplace]) -> "ReadStudy":
        """Return the study as workers are to read it: with what was decided here, and paths that hold elsewhere."""
        precision = next(iter(places.values())).precision
        study = self._read.study
        protocol = study.protocol.model_copy(update={"precision": precision, "threads": self.resources.cpus})
        models = [
            spec.model_copy(update={"id": str(Path(spec.id).expanduser().resolve())})
            if Path(spec.id).expanduser().is_dir()
            else spec
            for spec in study.models
        ]
        study = study.model_copy(update={"protocol": protocol, "models": models})
        return replace(self._read, study=study, base=self._read.base.resolve())


@contextmanager
def _office(ray: ModuleType, root: Path) -> Iterator[Any]:
    """Start the office on this very node, where the run directory is."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    office = ray.remote(Office).options(num_cpus=0, scheduling_strategy=here).remote(str(root))
    try:
        yield office
    finally:
        ray.kill(office)


class _Course:
    """One plan on its way: which tasks are under way, and what is heard of them."""

    def __init__(
        self,
        executor: RayExecutor,
        errand: Errand,
        plan: Plan,
        places: Mapping[Place, Workplace],
        store: Store,
        observer: Observer,
    ) -> None:
        self.ray, self.office = executor.ray, errand.office
        self.plan, self.places, self.store, self.observer = plan, places, store, observer
        self._stages = {stage.address: stage for stage in plan.stages}
        self._schedule = Schedule(stage for stage in plan.stages if stage.reason.runs)
        self._errand = self.ray.put(errand)
        self._options = StageOptions(executor.resources, self.ray.nodes(), plan, places)
        self._tasks: dict[Any, PlannedStage] = {}
        self._begun: set[StageAddress] = set()
        self._deaths: Counter[StageAddress] = Counter()
        self._stopping = False

    def run(self) -> None:
        """Bring all stages to their end; tasks that are still under way when something goes wrong are ended."""
        try:
            while not self._schedule.is_done:
                self._stop_if_asked()
                if not self._stopping:
                    self._begin_what_can()
                elif not self._begun:
                    raise Interrupted("stopped as asked; run the same command again to go on")
                self._collect()
        finally:
            for task in self._tasks:
                self.ray.cancel(task, force=True)

    def _stop_if_asked(self) -> None:
        if not self._stopping and self.observer.stop():
            self._stopping = True
            self.ray.get(self.office.close.remote())
        self._hear()

    def _begin_what_can(self) -> None:
        while (stage := self._schedule.begin()) is not None:
            ancestors = ancestors_of(stage, self._stages, self.store)
            if ancestors is None:
                self.observer.skipped(stage, f"{stage.parent.chain if stage.parent else ''} failed")
                self._schedule.end(stage)
            elif record := adopt_equal(stage, self._stages, self.store):
                self.observer.began(stage)
                self.observer.ended(stage, record)
                self._schedule.end(stage)
            else:
                self._submit(stage)

    def _submit(self, stage: PlannedStage) -> None:
        ancestors = ancestors_of(stage, self._stages, self.store)
        assert ancestors is not None
        addresses: list[StageAddress] = []
        address = stage.parent
        while address is not None:
            addresses.insert(0, address)
            address = self._stages[address].parent
        task = self.ray.remote(compute_away).options(**self._options.of(stage))
        pairs = list(zip(addresses, ancestors, strict=True))
        self._tasks[task.remote(self._errand, stage, pairs)] = stage

    def _hear(self) -> None:
        """Pass on what workers told since the last time."""
        for address, kind, value in self.ray.get(self.office.hear.remote()):
            stage = self._stages[address]
            if kind == "began":
                self._begun.add(address)
                if not self._deaths[address]:
                    self.observer.began(stage)
            elif kind == "event":
                self.observer.event(stage, value)
            elif kind == "features":
                self.places[address.place].progress(*value)
            else:
                self.places[address.place].note(value)

    def _collect(self) -> None:
        """Wait a little, and take in what has ended."""
        if not self._tasks:
            return
        ended, _ = self.ray.wait(list(self._tasks), num_returns=len(self._tasks), timeout=LISTEN_EVERY)
        self._hear()
        for task in ended:
            stage = self._tasks.pop(task)
            self._begun.discard(stage.address)
            outcome = self._outcome(task, stage)
            if outcome is None:
                self._submit(stage)
            elif outcome.state == "refused":
                raise ExecutorError(outcome.message)
            elif outcome.record is not None:
                await_record(self.store, stage.address, outcome.record.key)
                self.observer.ended(stage, outcome.record)
                self._schedule.end(stage)

    def _outcome(self, task: Any, stage: PlannedStage) -> Outcome | None:
        """Return how a task ended; None where its worker died, and another is to go on."""
        from ray.exceptions import RayError, RayTaskError

        try:
            outcome: Outcome = self.ray.get(task)
            return outcome
        except RayTaskError:
            raise  # a mistake of ours, told with its traceback
        except RayError as error:
            self._deaths[stage.address] += 1
            what = f"{stage.address.chain}, {stage.address.title}"
            if self._deaths[stage.address] >= MOST_DEATHS:
                raise ExecutorError(
                    f"{what}: its worker died {MOST_DEATHS} times ({_first_line(error)}); give stages more memory or "
                    "fewer tokens at once (protocol.micro_tokens), and run the same command again to go on"
                ) from error
            self.places[stage.address.place].note(f"{what}: its worker died; another goes on with it")
            time.sleep(LISTEN_EVERY)
            return None


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
