"""One planned stage, from its parents' weights to its record in the store."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import torch

from tuneoff.evidence.representation import keep_representation
from tuneoff.plan import PlannedStage
from tuneoff.store import ATTEMPTS, CHECKPOINT, StageRecord, Store
from tuneoff.tasks.data_set import ALSO
from tuneoff.training.attempts import Attempts
from tuneoff.training.budget import execution_now
from tuneoff.training.build import Ancestor, trainable
from tuneoff.training.checkpoint import Checkpointer, recorded_execution, restore
from tuneoff.training.device import autocast
from tuneoff.training.job import Budget, Job
from tuneoff.training.limit import limited
from tuneoff.training.loop import train
from tuneoff.training.memory import PeakMemory, release
from tuneoff.training.moved import how_far, prepare_untouched
from tuneoff.training.outcome import load_libraries, prediction_frame, record_of
from tuneoff.training.ready import Ready, prepared, seeds_of
from tuneoff.training.sharding import ending_at_shortage, hand_over, shards, split_if_asked, together_again
from tuneoff.training.shortage import SHORTAGES, failure_of
from tuneoff.training.state import Divergence
from tuneoff.training.team import ALONE, Team
from tuneoff.training.workplace import Workplace


@dataclass(frozen=True)
class Watch:
    """Who is told of a stage's progress, and who may stop it."""

    events: Callable[[Mapping[str, Any]], None] = lambda _: None
    stop: Callable[[], bool] = lambda: False


def run_stage(
    stage: PlannedStage,
    place: Workplace,
    ancestors: Sequence[Ancestor],
    store: Store,
    watch: Watch,
    team: Team = ALONE,
) -> StageRecord:
    """Train a stage and write it into the store; returns its record, which says why if it failed.

    The other processes of the `team` call `follow_stage` meanwhile. Raises Interrupted, with a checkpoint written,
    where `watch.stop` asks for it.
    """
    started = datetime.now(UTC)
    failure: dict[str, Any] | None = None
    weights: dict[str, torch.Tensor] | None = None
    assert stage.key is not None
    checkpoint = store.folder(stage.address) / CHECKPOINT
    recorded = recorded_execution(checkpoint, stage.key, place.note)
    torch.set_num_threads((recorded or place.execution).threads)
    prepare_untouched(stage, place, ancestors)
    load_libraries()
    moved: dict[str, Any] | None = None
    attempts = Attempts(store.folder(stage.address) / ATTEMPTS, stage.key)
    with attempts, limited(place.limit, place.accelerator.device), PeakMemory(place.accelerator.device) as peak:
        execution = team.same(recorded or execution_now(stage, place, shards(stage, place, team)))
        ready = _with_earlier(prepared(stage, place, ancestors, execution), attempts)
        team.wait()
        ready, team = split_if_asked(stage, place, ready, team)
        job = job_of(stage, place, ready, watch, team)
        optimizer = job.technique.optimizer(ready.trained, stage.optimization)
        state = restore(checkpoint, stage.key, job, optimizer)
        lost = attempts.seconds_lost(state.elapsed + ready.seconds_before)
        job.save = partial(Checkpointer(checkpoint, stage.key).save_when_due, job)
        try:
            with ending_at_shortage(team):
                train(job, state, optimizer)
            del optimizer  # its moments are not needed any more, and the whole table is to come back
            if team.sharded:
                handed = hand_over(ready, team)
                del ready, job
                ready = together_again(stage, place, ancestors, handed)
                job = job_of(stage, place, ready, watch)
            release()
            moved = how_far(stage, place, ancestors, job)
            ready.finish(stage, state.best.step if state.best else state.step)
            if not stage.address.is_trial:  # a trial is there for its numbers
                weights = {name: value.detach().cpu() for name, value in trainable(ready.classifier).items()}
        except Divergence as error:
            failure = error.facts
        except SHORTAGES as error:
            failure = failure_of(error, state.step)
    record = record_of(stage, place, ready, state, started, team)
    record = replace(record, peak_memory=peak.as_json(), failure=failure, status="failed" if failure else "done")
    record = replace(record, attempts=attempts.count, seconds_lost=lost)
    if moved is not None:
        keep_representation(store, stage.address, {**moved, "key": stage.key})
    return store.finish(record, state.history, prediction_frame(place, state), weights)


def _with_earlier(ready: Ready, attempts: Attempts) -> Ready:
    """Charge a stage with the vectors that an earlier attempt computed for it, where this one found them in the cache.

    What is computed now is noted for the attempt after this one.
    """
    now = ready.seconds.get("features", 0.0)
    if now:
        attempts.paid({"features": now})
    before = 0.0 if now else attempts.kept_before().get("features", 0.0)
    return replace(ready, seconds={**ready.seconds, "features": now + before}, seconds_before=before)


def job_of(stage: PlannedStage, place: Workplace, ready: Ready, watch: Watch, team: Team = ALONE) -> Job:
    """Return what the loop works on; the splits that it is reported on are test and the task's further test sets."""
    assert stage.budget is not None
    budget = stage.budget
    labels = {name: place.data.splits[name].labels for name in place.splits}
    return Job(
        technique=ready.technique,
        classifier=ready.classifier,
        trained=ready.trained,
        inputs=ready.inputs,
        labels={name: values for name, values in labels.items() if values is not None},
        optimization=stage.optimization,
        budget=Budget(
            budget.steps,
            budget.batch_size,
            budget.eval_every,
            budget.eval_on,
            budget.chosen_by,
            ("test", *(ALSO + name for name in place.data.also)) if budget.opens_test else (),
        ),
        seed_order=seeds_of(stage)["order"],
        seed_dropout=seeds_of(stage)["dropout"],
        accelerator=place.accelerator,
        execution=ready.execution,
        first_step=stage.first_step,
        groups=place.data.splits["train"].groups,
        autocast=autocast(place.accelerator.device, place.precision),
        events=watch.events,
        stop=watch.stop,
        team=team,
    )
