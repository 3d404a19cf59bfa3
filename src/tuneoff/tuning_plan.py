"""The trials of a tuned study as stages, and the settings that those in the store have led to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tuneoff.planned import PlannedStage, Question, Reason, plan_stage, reason_of, with_needed_parents
from tuneoff.store import StageAddress, StageRecord, Store
from tuneoff.study import Study
from tuneoff.techniques.composition import ComposedTechnique, StageSpec
from tuneoff.tuning import TUNING_SEED, Outcome, choose_trial, draw_trials, outcome_of, space_of, with_settings


@dataclass(frozen=True)
class Tuning:
    """The trials of a chain's last stage with one model and task, and which of them is chosen (None: not known yet).

    `base` is the stage as the study has it, `draws` the settings that each trial changes. `start` is the stage that the
    trials of techniques after this one begin from, None where there are none.
    """

    base: StageSpec
    draws: Sequence[Mapping[str, Any]]
    trials: Sequence[PlannedStage]
    chosen: int | None
    start: PlannedStage | None

    @property
    def index(self) -> int:
        """The number of stages before the one that is tuned."""
        return self.base.index

    @property
    def stages(self) -> list[PlannedStage]:
        """All that is run to choose settings: the trials, then what others start from."""
        return [*self.trials, *([self.start] if self.start else [])]

    @property
    def spec(self) -> StageSpec | None:
        """The stage with the settings that are chosen; None while that is not known."""
        if self.chosen is None:
            return None
        return replace(self.base, settings=with_settings(self.base.settings, self.draws[self.chosen]))


def plan_tuning(
    study: Study, techniques: Sequence[ComposedTechnique], question: Question, store: Store | None
) -> dict[str, Tuning]:
    """Return the tuning of each chain, the chains that it starts from first; empty where the study asks for none.

    Only the last stage of a chain is varied. It starts from the stage before as that one's own tuning chose it.
    """
    if study.protocol.tune is None:
        return {}
    planner = _Planner(study, techniques, question, store)
    specs = {spec.chain: spec for technique in techniques for spec in technique.stages}
    for spec in specs.values():
        planner.add(spec)
    return planner.finished()


class _Planner:
    def __init__(
        self, study: Study, techniques: Sequence[ComposedTechnique], question: Question, store: Store | None
    ) -> None:
        assert study.protocol.tune is not None
        self.protocol, self.tune = study.protocol, study.protocol.tune
        self.question, self.store = question, store
        self.records = {record.address: record for record in store.tuning_records()} if store else {}
        self.started_from = {spec.parent for technique in techniques for spec in technique.stages}
        self.found: dict[str, Tuning] = {}

    def add(self, spec: StageSpec) -> None:
        """Plan the trials of a chain; those that it starts from are there already."""
        before = self.found[spec.parent].start if spec.parent else None
        draws = draw_trials(self.tune, spec)
        specs = [replace(spec, settings=with_settings(spec.settings, changes)) for changes in draws]
        trials = [self._stage(one, f"trial-{number}", before) for number, one in enumerate(specs)]
        chosen = None
        if not any(trial.reason.runs for trial in trials):
            chosen = choose_trial([self._outcome(trial) for trial in trials], self.protocol.choose_by)
        start = None
        if spec.chain in self.started_from:
            start = self._stage(spec if chosen is None else specs[chosen], "chosen", before)
            if chosen is None:
                start = replace(start, key=None, key_parts=None, reason=waiting(spec.chain))
        self.found[spec.chain] = Tuning(spec, draws, trials, chosen, start)

    def finished(self) -> dict[str, Tuning]:
        """Return all that was planned, with stages that must run again because others need their weights."""
        planned = {stage.address: stage for tuning in self.found.values() for stage in tuning.stages}
        final = {stage.address: stage for stage in with_needed_parents(planned, self.store)}
        return {
            chain: replace(
                tuning,
                trials=[final[trial.address] for trial in tuning.trials],
                start=final[tuning.start.address] if tuning.start else None,
            )
            for chain, tuning in self.found.items()
        }

    def _stage(self, spec: StageSpec, name: str, before: PlannedStage | None) -> PlannedStage:
        model, task, fold = self.question.place
        address = StageAddress(model, task, spec.chain, TUNING_SEED, fold, name)
        stage = plan_stage(self.protocol, self.question, spec, address, before)
        reason = reason_of(stage, self.records.get(address), self.store)
        if before is not None and before.key is None:
            reason = before.reason
        return replace(stage, reason=reason, needed_by=(spec.chain,))

    def _outcome(self, trial: PlannedStage) -> Outcome | None:
        assert self.store is not None
        record: StageRecord = self.records[trial.address]
        if record.status == "failed":
            return None
        return outcome_of(self.store.history(trial.address), "dev", record.reported_step)


def waiting(chain: str) -> Reason:
    """Return why a stage cannot be planned whose settings are still to be chosen."""
    return Reason("unknown", f"waits for the tuning of {chain}")


def described(tuning: Tuning, study: Study) -> dict[str, Any]:
    """Return what a technique's trials vary, as JSON values, for the store."""
    assert study.protocol.tune is not None
    return {
        "chain": tuning.base.chain,
        "technique": tuning.base.technique,
        "space": space_of(study.protocol.tune, tuning.base),
        "choose_by": study.protocol.choose_by,
        "share": study.protocol.tune.share,
        "seed": TUNING_SEED,
        "trials": [dict(changes) for changes in tuning.draws],
    }
