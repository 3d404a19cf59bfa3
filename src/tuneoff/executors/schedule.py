"""Which stages of a plan may be computed at the same time."""

from collections.abc import Iterable

from tuneoff.plan import PlannedStage
from tuneoff.store import StageAddress


class Schedule:
    """Stages in the order of the plan: a stage waits for its parent, and for one under way that has the same key."""

    def __init__(self, stages: Iterable[PlannedStage]) -> None:
        self._waiting = {stage.address: stage for stage in stages}
        self._under_way: dict[StageAddress, PlannedStage] = {}

    @property
    def is_done(self) -> bool:
        """Whether no stage waits and none is under way."""
        return not self._waiting and not self._under_way

    def begin(self) -> PlannedStage | None:
        """Return the first stage that can begin, which then is under way; None where all that is left has to wait."""
        keys = {stage.key for stage in self._under_way.values()}
        for address, stage in self._waiting.items():
            if stage.parent in self._waiting or stage.parent in self._under_way or stage.key in keys:
                continue
            del self._waiting[address]
            self._under_way[address] = stage
            return stage
        return None

    def end(self, stage: PlannedStage) -> None:
        """Note that a stage is over, however it ended."""
        del self._under_way[stage.address]
