"""What Ray sets aside of a node for a stage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from tuneoff.executors.local import Place, put_away_others
from tuneoff.footprint import Kind, costs_by_kind, kind_of, stage_peak, texts_of
from tuneoff.plan import Plan, PlannedStage
from tuneoff.training.workplace import Workplace


@dataclass(frozen=True)
class Resources:
    """What a stage gets of a node: CPUs, one thread each, and GPUs."""

    cpus: int
    gpus: int


class StageOptions:
    """What Ray is asked to set aside for a stage: CPUs and GPUs as given, and memory as foretold."""

    def __init__(
        self,
        resources: Resources,
        nodes: Sequence[Mapping[str, Any]],
        plan: Plan,
        places: Mapping[Place, Workplace],
    ) -> None:
        self._resources = resources
        self._places = places
        self._most = max(int(node["Resources"].get("memory", 0)) for node in nodes)
        models = {name: place.model for (name, _, _), place in places.items()}
        classes = {task: len(place.data.classes) for (_, task, _), place in places.items()}
        self._costs = costs_by_kind(plan, models, classes)
        self._memory: dict[Kind, int] = {}

    def of(self, stage: PlannedStage) -> dict[str, Any]:
        """Return the options of a stage's task. One that no node has room for gets all of the largest node's."""
        put_away_others(self._places, stage.address.place)
        asked = {"num_cpus": self._resources.cpus, "num_gpus": self._resources.gpus, "max_retries": 0}
        if self._resources.gpus:  # there it is the GPU's memory that is short
            return asked
        kind = kind_of(stage)
        if kind not in self._memory:
            place = self._places[stage.address.place]
            texts, cpu = texts_of(place.tokens()), torch.device("cpu")
            self._memory[kind] = stage_peak(stage, self._costs[kind], texts, place.execution, cpu)
        return asked | {"memory": min(self._memory[kind], self._most)}
