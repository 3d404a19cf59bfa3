"""A stage as the other processes of a team take part in it: they compute, and write nothing."""

from collections.abc import Sequence
from functools import partial

import torch

from tuneoff.planned import PlannedStage
from tuneoff.store import CHECKPOINT, Store
from tuneoff.training.build import Ancestor
from tuneoff.training.checkpoint import Checkpointer, restore
from tuneoff.training.job import Execution
from tuneoff.training.limit import limited
from tuneoff.training.loop import train
from tuneoff.training.memory import release
from tuneoff.training.ready import prepared
from tuneoff.training.sharding import ending_at_shortage, hand_over, split_if_asked
from tuneoff.training.shortage import SHORTAGES, is_shortage
from tuneoff.training.stage import Watch, job_of
from tuneoff.training.state import Divergence, Interrupted
from tuneoff.training.team import Team
from tuneoff.training.workplace import Workplace


def follow_stage(
    stage: PlannedStage, place: Workplace, ancestors: Sequence[Ancestor], store: Store, team: Team
) -> None:
    """Train a stage together with the process that calls `run_stage`, which tells how it ended."""
    assert stage.key is not None
    execution: Execution = team.same()
    torch.set_num_threads(execution.threads)
    team.wait()  # the first process has computed what is kept in the cache
    with limited(place.limit, place.accelerator.device):
        ready = prepared(stage, place, ancestors, execution)
        ready, team = split_if_asked(stage, place, ready, team)
        job = job_of(stage, place, ready, Watch(), team)
        optimizer = job.technique.optimizer(ready.trained, stage.optimization)
        checkpoint = store.folder(stage.address) / CHECKPOINT
        state = restore(checkpoint, stage.key, job, optimizer)
        job.save = partial(Checkpointer(checkpoint, stage.key).save_when_due, job)
        try:
            with ending_at_shortage(team):
                train(job, state, optimizer)
            del optimizer
            if team.sharded:
                hand_over(ready, team)
        except (Divergence, Interrupted):
            pass
        except SHORTAGES as error:
            if not is_shortage(error):
                raise
    del job, ready
    release()
