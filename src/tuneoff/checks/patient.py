"""A study as the checks see it: its data, its models and the stages that would be trained."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from tuneoff.models.resolve import ResolvedModel
from tuneoff.plan import Plan, PlannedStage
from tuneoff.running import Prepared
from tuneoff.store import Store
from tuneoff.tasks import StudyTask
from tuneoff.tasks.data_set import TaskData
from tuneoff.training.workplace import Workplace


@dataclass(frozen=True)
class Patient:
    """A study that was prepared and planned, before its first step, and its run directory, there or not."""

    prepared: Prepared
    plan: Plan
    store: Store

    def by_task(self) -> "list[Patient]":
        """Return the study as if it had one task alone, for each of its tasks."""
        names = list(self.prepared.tasks)
        if len(names) == 1:
            return [self]
        return [Patient(self.prepared.of_task(name), self.plan.of_task(name), self.store) for name in names]

    @property
    def task(self) -> StudyTask:
        """The study's task; of several the first (see `by_task`)."""
        return next(iter(self.prepared.tasks.values()))

    @property
    def data(self) -> TaskData:
        """The study's task: as a whole, where it is cut in folds."""
        return self.task.whole

    @property
    def task_name(self) -> str:
        """The task's name in the run directory."""
        return next(iter(self.prepared.tasks))

    @property
    def first_places(self) -> dict[tuple[str, str], Workplace]:
        """One workplace for each model and task: that of the first fold, if there are folds."""
        found: dict[tuple[str, str], Workplace] = {}
        for (model, task, _), place in self.prepared.places.items():
            found.setdefault((model, task), place)
        return found

    @property
    def places(self) -> list[Workplace]:
        """One workplace for each model, on the study's task."""
        return [place for (_, task), place in self.first_places.items() if task == self.task_name]

    @property
    def models(self) -> list[ResolvedModel]:
        """The models of the study."""
        return [place.model for place in self.places]

    def kinds(self) -> Iterator[tuple[Workplace, PlannedStage]]:
        """Yield one stage of each model and chain of techniques, that of the first seed and fold, parents first."""
        seen: set[tuple[str, str]] = set()
        for stage in self.plan.stages:
            kind = stage.address.model, stage.address.chain
            if kind not in seen:
                seen.add(kind)
                yield self.prepared.places[stage.address.place], stage

    def alone(self) -> Iterator[tuple[Workplace, PlannedStage]]:
        """Yield one stage of each model and technique, as if it came first: `a+b` has the stages of `a` and of `b`.

        Techniques that differ in more than their learning rate are different ones. Those that read two texts each by
        itself are left out: no batch of texts gives their logits.
        """
        from tuneoff.training.build import make_technique

        seen: set[tuple[str, str]] = set()
        for place, stage in self.kinds():
            if make_technique(stage.spec).reads_pairs:
                continue
            settings = {**stage.spec.settings.keyed_values(), "learning_rate": None, "of": stage.spec.technique}
            kind = stage.address.model, json.dumps(settings, sort_keys=True, default=str)
            if kind not in seen:
                seen.add(kind)
                yield place, stage
