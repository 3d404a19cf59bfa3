"""Which stages a run is made of, and which technique's bill each of them is on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tuneoff.store import StageAddress, StageRecord

Records = Mapping[StageAddress, StageRecord]


@dataclass(frozen=True)
class Run:
    """A technique with one model, task and seed: the addresses of its stages from the first to its own last one."""

    technique: Mapping[str, Any]
    stages: tuple[StageAddress, ...]

    @property
    def address(self) -> StageAddress:
        """The address of the last stage, which is the technique's own."""
        return self.stages[-1]


def trace(technique: Mapping[str, Any], address: StageAddress, records: Records) -> Run:
    """Follow the records' parents from a technique's last stage; what has no record is derived from `use`.

    'a+b' stands on 'a'; a technique of another name that uses 'a+b' stands on 'a' as well.
    """
    parts = technique["use"].split("+")
    stages = [address]
    while True:
        record, left = records.get(stages[0]), len(parts) - len(stages)
        parent = record.parent if record is not None else "+".join(parts[: max(left, 0)]) or None
        if parent is None or any(stage.chain == parent for stage in stages):
            return Run(technique, tuple(stages))
        stages.insert(0, replace(address, chain=parent))


def owners(runs: Sequence[Run]) -> dict[StageAddress, str]:
    """Return the technique each stage is charged to, so that a shared one is counted once over the study.

    It is the technique whose own last stage it is, else the first listed that uses it.
    """
    charged = {run.address: str(run.technique["name"]) for run in runs}
    for run in runs:
        for stage in run.stages:
            charged.setdefault(stage, str(run.technique["name"]))
    return charged
