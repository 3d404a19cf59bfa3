"""What a person is told: lines where nothing can be redrawn, bars on a terminal, time left by the work left."""

import io
from dataclasses import dataclass, replace

import pytest
from rich.console import Console

from tuneoff.estimate import Work
from tuneoff.plan import PlannedStage, Reason, StageBudget, make_plan
from tuneoff.progress import LINE_EVERY, Reporter
from tuneoff.reading import study_from_mapping
from tuneoff.store import StageAddress

STEPS = 100


@dataclass
class Clock:
    now: float = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr("tuneoff.progress.time", made)
    return made


class Told:
    """A reporter of two stages of equal work, one unit a step, on a console whose text can be read."""

    def __init__(self, terminal=False, width=80, models=("m",), done=0):
        self.console = Console(file=io.StringIO(), force_terminal=terminal, width=width, highlight=False)
        self.reporter = Reporter(self.console, lambda: False)
        mapping = {"models": [{"id": name} for name in models], "task": "terra", "techniques": ["full", "lora"]}
        plan = make_plan(study_from_mapping(mapping), [], None)
        specs = [technique.stages[0] for technique in plan.techniques]
        budget = StageBudget(STEPS, 8, 50, "test")
        stages = [
            PlannedStage(
                address=StageAddress(model, "terra", spec.chain, 0),
                spec=spec,
                parent=None,
                optimization=None,
                budget=budget,
                key="k",
                key_parts={},
                reason=Reason("missing"),
            )
            for model in models
            for spec in specs
        ]
        stages[:done] = [replace(stage, reason=Reason("done")) for stage in stages[:done]]
        self.stages = stages
        work = {stage.address: Work(0.0, 1.0, {"test": 0.0}) for stage in stages}
        self.plan, self.work = replace(plan, stages=stages), work
        self.observer = self.reporter.watch(self.plan, work)

    @property
    def lines(self):
        return self.console.file.getvalue().splitlines()

    def train(self, stage, step, loss=0.5, seconds=0.0, tokens=10):
        row = {"event": "train", "stage_step": step, "step": step, "loss": loss, "tokens": tokens, "seconds": seconds}
        self.observer.event(stage, row)

    def evaluate(self, stage, step, loss=0.5, seconds=0.0):
        row = {"event": "eval", "split": "test", "stage_step": step, "step": step, "loss": loss, "seconds": seconds}
        self.observer.event(stage, row)


class Ended:
    def __init__(self, status="done", failure=None):
        self.status, self.failure = status, failure


def test_lines_name_the_stage_its_step_its_loss_and_the_time_left(clock):
    told = Told()
    first, second = told.stages
    told.observer.began(first)
    assert told.lines == ["[1/2] full, seed 0"]
    told.evaluate(first, 0)
    clock.now += 60
    for step in range(1, 51):
        told.train(first, step, loss=0.6931, seconds=step * 1.2)
    assert told.lines[1:] == ["    step 1/100 · loss 0.693 · 8 tokens/s · study: 3 h 19 min 00 s left"]
    clock.now += LINE_EVERY
    told.train(first, 51, loss=0.25, seconds=90.0)
    # 51 steps of 200 in 90 s leave 149 x 90 / 51 s; 510 tokens in 90 s.
    assert told.lines[2:] == ["    step 51/100 · loss 0.250 · 6 tokens/s · study: 4 min 23 s left"]
    clock.now += 5
    told.observer.ended(first, Ended())
    told.observer.began(second)
    assert told.lines[3:] == ["  done   full, seed 0 in 1 min 35 s", "[2/2] lora, seed 0"]
    told.reporter.close()


def test_there_are_few_lines_however_many_steps(clock):
    told = Told()
    told.observer.began(told.stages[0])
    told.evaluate(told.stages[0], 0)
    for step in range(1, 100):
        clock.now += 1.0
        told.train(told.stages[0], step, seconds=float(step))
    assert len(told.lines) == 1 + 99 // LINE_EVERY


def test_the_speed_is_of_this_attempt_where_a_stage_goes_on(clock):
    told = Told()
    told.observer.began(told.stages[0])
    told.train(told.stages[0], 81, seconds=5000.0)
    clock.now += LINE_EVERY
    told.train(told.stages[0], 82, seconds=5002.0, tokens=200)
    assert "step 82/100 · loss 0.500 · 100 tokens/s" in told.lines[-1]


def test_memory_that_ran_out_is_told_at_once_and_is_no_step(clock):
    told = Told()
    told.observer.began(told.stages[0])
    position = {"stage_step": 7, "step": 7, "seconds": 3.0}
    told.observer.event(told.stages[0], {"event": "budget", "micro_tokens": 750, **position})
    told.observer.event(told.stages[0], {"event": "checkpointing", **position})
    assert told.lines[1:] == [
        "    out of memory after step 7: going on with 750 tokens at once",
        "    out of memory after step 7: going on with gradient checkpointing",
    ]
    (own,) = told.reporter._under_way.values()
    assert own.done == 0.0 and own.tokens_since is None


def test_a_failed_stage_is_told_with_its_reason_as_it_is(clock):
    told = Told(width=40)
    reason = "out of memory: [/red] tried to allocate [2 GB], and that is more than a line of this console"
    told.observer.began(told.stages[0])
    told.evaluate(told.stages[0], 0, loss=None)
    told.observer.ended(told.stages[0], Ended("failed", {"reason": reason}))
    told.observer.skipped(told.stages[1], "full failed")
    assert told.lines[-2] == f"  failed full, seed 0 after 0 s: {reason}"
    assert told.lines[-1] == "  skipped lora, seed 0: full failed"


def test_a_loss_that_is_not_finite_is_said_so(clock):
    told = Told()
    told.observer.began(told.stages[0])
    clock.now += LINE_EVERY
    told.evaluate(told.stages[0], 7, loss=None)
    assert "step 7/100 · loss not finite" in told.lines[-1]


def test_what_is_done_already_is_counted_and_the_rest_is_numbered_after_it(clock):
    told = Told(done=1)
    told.observer.began(told.stages[1])
    assert told.lines == ["1 of 2 stages are done already", "[2/2] lora, seed 0"]
    assert Told(done=2).lines == ["2 of 2 stages are done already"]
    assert Told(done=0).lines == []


def test_a_skipped_stage_is_counted(clock):
    told = Told()
    told.observer.skipped(told.stages[0], "x failed")
    told.observer.began(told.stages[1])
    assert told.lines[-1] == "[2/2] lora, seed 0"


def test_stages_of_several_models_are_told_apart(clock):
    told = Told(models=("small", "large"))
    for stage in told.stages:
        told.observer.began(stage)
    assert told.lines == [
        "[1/4] small: full, seed 0",
        "[2/4] small: lora, seed 0",
        "[3/4] large: full, seed 0",
        "[4/4] large: lora, seed 0",
    ]


def test_stages_at_the_same_time_are_told_apart_and_their_work_is_added(clock):
    told = Told()
    for stage in told.stages:
        told.observer.began(stage)
    clock.now += LINE_EVERY
    told.train(told.stages[0], 1)
    clock.now += LINE_EVERY
    told.train(told.stages[1], 1, loss=0.25)
    # 2 of 200 steps in 60 s leave 198 x 30 s.
    assert told.lines[-1] == "    lora, seed 0: step 1/100 · loss 0.250 · study: 1 h 39 min 00 s left"
    told.observer.ended(told.stages[1], Ended())
    assert told.lines[-1] == "  done   lora, seed 0 in 1 min 00 s"


def test_a_path_is_told_whole_whatever_its_letters(clock):
    told = Told(width=30)
    path = "models/[/bold]/" + "a folder with a long name " * 3 + "[red]"
    told.reporter.announce(f"checking {path}")
    assert told.lines == [f"checking {path} ..."]


def test_what_goes_otherwise_than_usual_inside_a_stage_is_told_under_it(clock):
    told = Told()
    told.observer.began(told.stages[0])
    told.reporter.note("a [cache] is too small")
    assert told.lines[-1] == "    a [cache] is too small"


def test_a_stage_of_vectors_alone_has_no_tokens_a_second_and_its_work_is_in_the_vectors(clock):
    told = Told()
    stage = told.stages[0]
    told.reporter._work = dict(told.reporter._work) | {stage.address: Work(500.0, 0.0, {})}
    told.observer.began(stage)
    told.reporter.features("train", 250, 500)
    clock.now += LINE_EVERY
    told.evaluate(stage, 0)
    assert told.lines[-1].startswith("    step 0/100 · loss 0.500 · study: ") and "tokens" not in told.lines[-1]


@pytest.mark.parametrize("width", [20, 80, 200])
def test_on_a_terminal_bars_are_drawn_and_taken_away(clock, width):
    told = Told(terminal=True, width=width)
    told.reporter.features("train", 1, 2)
    for stage in told.stages:
        told.observer.began(stage)
        told.reporter.features("train", 5, 10)
        for step in range(0, STEPS + 1, 10):
            clock.now += 3
            (told.train if step else told.evaluate)(stage, step, seconds=3.0 * step)
            told.reporter._bars.refresh()
        told.observer.ended(stage, Ended())
    told.reporter.announce("writing results and report")
    told.reporter.close()
    text = told.console.file.getvalue()
    assert "full, seed 0" in text.replace("\n", " ") and text.rstrip().endswith("\x1b[0m")
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1  # the cursor comes back
    if width == 200:
        assert "step 100/100 · loss 0.500" in text and "stage 2 of 2" in text and "left" in text


def test_before_there_is_a_plan_it_can_be_closed_and_told_things():
    console = Console(file=io.StringIO())
    reporter = Reporter(console, lambda: False)
    reporter.announce("reading the task")
    reporter.features("train", 1, 2)
    reporter.close()
    assert console.file.getvalue() == "reading the task ...\n"


def test_the_wish_to_stop_is_passed_on():
    asked = []
    plan = make_plan(study_from_mapping({"model": "m", "task": "terra"}), [], None)
    observer = Reporter(Console(file=io.StringIO()), lambda: bool(asked)).watch(plan, {})
    assert not observer.stop()
    asked.append(True)
    assert observer.stop()


def test_a_second_plan_of_the_same_study_has_its_own_work_left(clock):
    """As after the trials of a tuned study, or after a round."""
    told = Told()
    for stage in told.stages:
        told.observer.began(stage)
        for step in range(1, STEPS + 1):
            clock.now += 1
            told.train(stage, step)
        told.observer.ended(stage, Ended())
    told.observer = told.reporter.watch(told.plan, told.work)
    told.observer.began(told.stages[0])
    clock.now += LINE_EVERY
    told.train(told.stages[0], 1)
    left = (2 * STEPS - 1) * (2 * STEPS + LINE_EVERY) / (2 * STEPS + 1)
    assert f"study: {int(left // 60)} min {round(left % 60):02d} s left" in told.lines[-1]
