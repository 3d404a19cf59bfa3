"""Running a plan's stages one after another in this process."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from tuneoff.evidence.representation import hand_on
from tuneoff.plan import Plan, PlannedStage
from tuneoff.store import WEIGHTS, StageAddress, StageRecord, Store
from tuneoff.training.build import Ancestor
from tuneoff.training.further import evaluate_further
from tuneoff.training.stage import Watch, run_stage
from tuneoff.training.state import Interrupted
from tuneoff.training.workplace import Workplace

Place = tuple[str, str, int | None]
Compute = Callable[[PlannedStage, Workplace, Sequence[Ancestor], Store, Watch], StageRecord]


@dataclass(frozen=True)
class Observer:
    """Who is told what happens: each method of the same name gets the stage, and what is said of it."""

    began: Callable[[PlannedStage], None] = lambda _: None
    event: Callable[[PlannedStage, Mapping[str, Any]], None] = lambda *_: None
    ended: Callable[[PlannedStage, StageRecord], None] = lambda *_: None
    skipped: Callable[[PlannedStage, str], None] = lambda *_: None
    stop: Callable[[], bool] = lambda: False


class Executor(Protocol):
    """What computes the stages of a plan, here or elsewhere; each means has its file in this folder."""

    def __call__(self, plan: Plan, places: Mapping[Place, Workplace], store: Store, observer: Observer) -> None:
        """Bring all that the plan asks for into the store, as `run_plan` does."""
        ...


def compute_stage(
    stage: PlannedStage, place: Workplace, ancestors: Sequence[Ancestor], store: Store, watch: Watch
) -> StageRecord:
    """Compute one stage, of a trained one only what is missing, and return its record, which is in the store."""
    record = evaluate_further(stage, place, ancestors, store, watch)
    return record or run_stage(stage, place, ancestors, store, watch)


def run_plan(
    plan: Plan,
    places: Mapping[Place, Workplace],
    store: Store,
    observer: Observer,
    compute: Compute = compute_stage,
) -> None:
    """Compute all stages that are not done, parents first; `places` has one workplace a (model, task, fold).

    A stage whose parent failed is skipped; one whose equal was computed under another name is copied. Raises
    Interrupted where the observer asks to stop. What a workplace has in memory is put away while others are worked at.
    """
    stages = {stage.address: stage for stage in plan.stages}
    for stage in plan.stages:
        if not stage.reason.runs:
            store.drop_unfinished(stage.address)
            continue
        ancestors = ancestors_of(stage, stages, store)
        if ancestors is None:
            observer.skipped(stage, f"{stage.parent.chain if stage.parent else ''} failed")
            continue
        if observer.stop():
            raise Interrupted("stopped as asked; run the same command again to go on")
        observer.began(stage)
        put_away_others(places, stage.address.place)
        record = adopt_equal(stage, stages, store)
        if record is None:
            watch = Watch(partial(observer.event, stage), observer.stop)
            record = compute(stage, places[stage.address.place], ancestors, store, watch)
        observer.ended(stage, record)
    drop_unkept_weights(plan, store)


def put_away_others(places: Mapping[Place, Workplace], at: Place) -> None:
    """Let go of what the workplaces of other models and tasks have in memory, before a stage at one place begins."""
    for (model, task, _), place in places.items():
        if (model, task) != at[:2]:
            place.put_away()


def ancestors_of(
    stage: PlannedStage, stages: Mapping[StageAddress, PlannedStage], store: Store
) -> list[Ancestor] | None:
    """Return the stages before this one, first to last; None if one of them did not end well."""
    found: list[Ancestor] = []
    address = stage.parent
    while address is not None:
        parent = stages[address]
        record, weights = store.record(address), store.weights(address)
        if record is None or record.status == "failed" or weights is None:
            return None
        found.insert(0, Ancestor(parent.spec, record.key, store.checked(address, WEIGHTS)))
        address = parent.parent
    return found


def adopt_equal(stage: PlannedStage, stages: Mapping[StageAddress, PlannedStage], store: Store) -> StageRecord | None:
    """Copy the result of a stage with the same key under another name; None if there is no such stage."""
    addresses = [other.address for other in stages.values() if other.key == stage.key]
    if stage.address.is_trial:  # one of other numbers and other spaces before may have had these settings
        addresses += [record.address for record in store.tuning_records() if record.key == stage.key]
    for address in addresses:
        record, weights = store.record(address), store.weights(address)
        if address == stage.address or record is None or record.status != "done" or record.key != stage.key:
            continue
        if weights is None and not stage.address.is_trial:
            continue
        from safetensors.torch import load_file

        parent = stage.parent.chain if stage.parent else None
        copy = replace(record, address=stage.address, parent=parent, seconds=dict.fromkeys(record.seconds, 0.0))
        copy = replace(copy, attempts=1, seconds_lost=0.0)
        if not stage.address.is_trial:
            hand_on(store, address, record.key, stage.address, record.key)
        kept = None if weights is None or stage.address.is_trial else load_file(store.checked(address, WEIGHTS))
        return store.finish(copy, store.history(address), store.predictions(address), kept)
    return None


def drop_unkept_weights(plan: Plan, store: Store) -> None:
    """Delete the weights that the study does not keep, now that no stage needs them any more."""
    keep = plan.study.protocol.keep_weights
    last = plan.study.protocol.seed_list[-1]
    for stage in plan.stages:
        if stage.address.tuning is not None:  # trials still to come may start from it
            continue
        if keep == "none" or (keep == "last-seed" and stage.address.seed != last):
            store.drop_weights(stage.address)
