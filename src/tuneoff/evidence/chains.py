"""Which stages a run is made of, and which technique's bill each of them is on."""

from collections.abc import Iterator, Mapping, Sequence
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
    prefixes = technique["use"].split("+")[:-1]
    derived = ["+".join(prefixes[: count + 1]) for count in range(len(prefixes))]
    stages = [address]
    while True:
        record = records.get(stages[0])
        if record is not None:
            parent = record.parent
        else:
            parent = derived[-len(stages)] if len(stages) <= len(derived) else None
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


def stage_records(run: Run, records: Records) -> Iterator[StageRecord | None]:
    """Yield the record of each stage of a run, None for one that is not there."""
    return (records.get(stage) for stage in run.stages)
