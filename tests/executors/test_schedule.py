"""What may be computed at the same time: nothing before its parent, and nothing twice."""

from dataclasses import dataclass

from tuneoff.executors.schedule import Schedule
from tuneoff.store import StageAddress


@dataclass(frozen=True)
class Stage:
    chain: str
    key: str
    after: str | None = None
    seed: int = 0

    @property
    def address(self):
        return StageAddress("m", "t", self.chain, self.seed)

    @property
    def parent(self):
        return StageAddress("m", "t", self.after, self.seed) if self.after else None


def begun(schedule):
    found = []
    while (stage := schedule.begin()) is not None:
        found.append(stage)
    return found


def test_a_stage_waits_for_its_parent_and_for_nothing_else():
    probe, lora, both = Stage("linear-probe", "a"), Stage("lora", "b"), Stage("linear-probe+lora", "c", "linear-probe")
    schedule = Schedule([probe, both, lora])
    assert begun(schedule) == [probe, lora]
    schedule.end(lora)
    assert begun(schedule) == [] and not schedule.is_done
    schedule.end(probe)
    assert begun(schedule) == [both]
    schedule.end(both)
    assert schedule.is_done


def test_a_parent_that_is_done_is_not_waited_for():
    assert begun(Schedule([Stage("a+b", "k", "a")])) != []


def test_of_two_equal_stages_the_second_waits_so_that_it_can_be_copied():
    first, second, other = Stage("lora", "same"), Stage("lora-again", "same"), Stage("lora", "different", seed=1)
    schedule = Schedule([first, second, other])
    assert begun(schedule) == [first, other]
    schedule.end(first)
    assert begun(schedule) == [second]


def test_without_stages_it_is_done():
    assert Schedule([]).is_done
