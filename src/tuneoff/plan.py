"""From a study to the stages that it needs: which are shared, which are done, and why the others would run."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from tuneoff.planned import (
    SEMANTICS,
    PlannedStage,
    Question,
    Reason,
    StageBudget,
    plan_stage,
    reason_of,
    resolve_budget,
    resolve_optimization,
    with_needed_parents,
)
from tuneoff.store import StageAddress, Store
from tuneoff.study import Study
from tuneoff.techniques.composition import ComposedTechnique, compose
from tuneoff.tuning_plan import Tuning, plan_tuning, waiting

__all__ = [
    "SEMANTICS",
    "Plan",
    "PlannedStage",
    "Question",
    "Reason",
    "StageBudget",
    "make_plan",
    "resolve_budget",
    "resolve_optimization",
]


@dataclass(frozen=True)
class Plan:
    """All stages of a study, parents before children, and the techniques that they serve.

    `tuning` holds what is run before, to choose settings; a stage whose settings wait for it has no key yet.
    """

    study: Study
    techniques: list[ComposedTechnique]
    stages: list[PlannedStage] = field(default_factory=list)
    tuning: list[Tuning] = field(default_factory=list)

    @property
    def to_run(self) -> list[PlannedStage]:
        """The stages that would be computed."""
        return [stage for stage in self.stages if stage.reason.runs]

    @property
    def tuning_to_run(self) -> list[PlannedStage]:
        """The stages that would be computed to choose settings."""
        return [stage for tuning in self.tuning for stage in tuning.stages if stage.reason.runs]

    @property
    def tuning_notes(self) -> list[str]:
        """Sentences on the trials of a tuned study: how many there are, and how many are done."""
        if not self.tuning:
            return []
        trials = [trial for tuning in self.tuning for trial in tuning.trials]
        done = sum(not trial.reason.runs for trial in trials)
        techniques = len({tuning.base.chain for tuning in self.tuning})
        chosen = sum(tuning.chosen is not None for tuning in self.tuning)
        return [
            f"tuning: {len(trials)} trials for {techniques} techniques come first ({done} are done), judged on "
            f"dev by {self.study.protocol.choose_by}; settings are chosen for {chosen} of {len(self.tuning)}"
        ]

    @property
    def depth(self) -> int:
        """The number of stages of the longest technique."""
        return max(len(technique.stages) for technique in self.techniques)

    def trials_after(self, index: int) -> "Plan":
        """Return the plan of the trials of techniques with `index` stages before the last, and what they start from.

        None of them waits for the outcome of another.
        """
        stages = [
            stage
            for tuning in self.tuning
            for stage in tuning.stages
            if stage.key and (tuning.index == index if stage.address.is_trial else tuning.index < index)
        ]
        return replace(self, stages=stages)

    @property
    def round_notes(self) -> list[str]:
        """A sentence on the rounds that may follow, where seeds are added until it is clear."""
        until = self.study.protocol.until_clear
        if until is None:
            return []
        first = len(self.study.protocol.seed_list)
        return [
            f"until_clear: this is the first round, with {first} seeds; techniques that are still in the race get up "
            f"to {until.seeds}"
        ]

    def serving(self, techniques: Mapping[tuple[str, str], Collection[str]]) -> "Plan":
        """Return the plan of the stages that some techniques need, given by model and task; others are left alone."""

        def is_needed(stage: PlannedStage) -> bool:
            place = (stage.address.model, stage.address.task)
            return not set(stage.needed_by).isdisjoint(techniques.get(place, ()))

        return replace(self, stages=[stage for stage in self.stages if is_needed(stage)])

    def of_task(self, task: str) -> "Plan":
        """Return the plan of one of several tasks."""
        stages = [stage for stage in self.stages if stage.address.task == task]
        tuning = [one for one in self.tuning if one.trials[0].address.task == task]
        return replace(self, stages=stages, tuning=tuning)

    def without_waiting(self) -> "Plan":
        """Return the plan of the stages that do not wait for settings to be chosen."""
        return replace(self, stages=[stage for stage in self.stages if stage.key])


def make_plan(study: Study, questions: list[Question], store: Store | None) -> Plan:
    """Return the stages of a study in the order in which they are computed, each once.

    Stages come technique by technique within a seed (and fold), so that the first results are there early. `store`
    tells what is done already, and which settings the trials of a tuned study have led to.
    """
    techniques = compose(study)
    records = {record.address: record for record in store.records()} if store else {}
    planned: dict[StageAddress, PlannedStage] = {}
    tuned: dict[tuple[str, str, int | None], dict[str, Tuning]] = {}
    for question, seed in _in_order(questions, study):
        if question.place not in tuned:
            tuned[question.place] = plan_tuning(study, techniques, question, store)
        for technique in techniques:
            parent: PlannedStage | None = None
            for spec in technique.stages:
                address = StageAddress(question.model.name, question.task_name, spec.chain, seed, question.fold)
                if address not in planned:
                    tuning = tuned[question.place].get(spec.chain)
                    chosen = tuning.spec if tuning else spec
                    stage = plan_stage(study.protocol, question, chosen or spec, address, parent)
                    stage = replace(stage, reason=reason_of(stage, records.get(address), store))
                    if chosen is None:
                        stage = replace(stage, key=None, key_parts=None, reason=waiting(spec.chain))
                    elif parent is not None and parent.key is None:
                        stage = replace(stage, reason=parent.reason)
                    planned[address] = stage
                users = (*planned[address].needed_by, technique.name)
                parent = planned[address] = replace(planned[address], needed_by=users)
    tunings = [tuning for found in tuned.values() for tuning in found.values()]
    return Plan(study, techniques, with_needed_parents(planned, store), tunings)


def _in_order(questions: list[Question], study: Study) -> list[tuple[Question, int]]:
    """Return each question with each seed: place by place, and all folds of a seed before the next seed."""
    places = dict.fromkeys(question.place[:2] for question in questions)
    return [
        (question, seed)
        for place in places
        for seed in study.protocol.seed_list
        for question in questions
        if question.place[:2] == place
    ]
