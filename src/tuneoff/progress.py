"""Telling a person what runs, how far it is and how long it will take."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from tuneoff.estimate import Work
from tuneoff.executors.local import Observer
from tuneoff.plan import Plan, PlannedStage
from tuneoff.report.formats import duration
from tuneoff.store import StageAddress, StageRecord
from tuneoff.words import visible

LINE_EVERY = 30.0  # seconds between lines where there is no terminal to redraw
SHORTAGE = {  # what is said of memory that ran out, by event
    "budget": "out of memory after step {stage_step}: going on with {micro_tokens} tokens at once",
    "checkpointing": "out of memory after step {stage_step}: going on with gradient checkpointing",
}


@dataclass
class _UnderWay:
    """A stage that is being computed: when it began, its bar, the work it has done, and tokens since it is watched."""

    started: float
    bar: TaskID
    done: float = 0.0
    tokens: int = 0
    tokens_since: float | None = None


class Reporter:
    """Shows the study's progress: bars on a terminal, a line now and then elsewhere.

    Time left is the work left over the work done a second so far; work is counted in tokens (see `estimate`).
    """

    def __init__(self, console: Console, stop: Callable[[], bool]) -> None:
        self.console = console
        self.stop = stop
        self._started = self._last_line = time.monotonic()
        self._done = 0.0
        self._under_way: dict[StageAddress, _UnderWay] = {}
        self._work: Mapping[StageAddress, Work] = {}

    def watch(self, plan: Plan, work: Mapping[StageAddress, Work]) -> Observer:
        """Return the observer of a plan, given each stage's expected work."""
        self._plan, self._work = plan, work
        # What earlier plans of the same study did is behind, as the time that it took is.
        self._total = self._done + sum(work[stage.address].total(stage) for stage in plan.to_run)
        done = len(plan.stages) - len(plan.to_run)
        self._number = done
        self._under_way = {}
        if done:
            self._say(f"{done} of {len(plan.stages)} stages are done already")
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[told]}"),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._study_bar = self._bars.add_task("study", total=max(self._total, 1.0), told="")
        self._bars.start()
        return Observer(self._began, self._event, self._ended, self._skipped, self.stop)

    def close(self) -> None:
        """Take the bars away."""
        if hasattr(self, "_bars"):
            self._bars.stop()

    def announce(self, what: str) -> None:
        """Say what is done between the stages."""
        self.close()
        self._say(f"[dim]{escape(what)} ...[/dim]")

    def note(self, what: str) -> None:
        """Say what went otherwise than usual inside a stage."""
        self._say(f"    [dim]{escape(what)}[/dim]")

    def features(self, split: str, done: int, total: int) -> None:
        """Show how far the vectors of a split are, which the stage that began last needs."""
        if self._under_way:
            last = [*self._under_way.values()][-1]
            self._bars.update(last.bar, completed=done, total=total, told=f"vectors of {split}")

    def _began(self, stage: PlannedStage) -> None:
        self._number += 1
        bar = self._bars.add_task(self._title(stage), total=self._stage_total(stage), told="preparing")
        self._under_way[stage.address] = _UnderWay(time.monotonic(), bar)
        if not self.console.is_terminal:
            self._say(f"[{self._number}/{len(self._plan.stages)}] {self._title(stage)}")

    def _stage_total(self, stage: PlannedStage) -> float:
        return max(1.0, self._work[stage.address].total(stage))

    def _event(self, stage: PlannedStage, row: Mapping[str, Any]) -> None:
        if row["event"] in SHORTAGE:
            self._say(f"    [yellow]{SHORTAGE[row['event']].format(**row)}[/yellow]")
            return
        own, work = self._under_way[stage.address], self._work[stage.address]
        assert stage.budget is not None
        if own.tokens_since is None:  # a stage that goes on has spent seconds before
            own.tokens_since = row["seconds"]
        elif row["event"] == "train":
            own.tokens += row["tokens"]
        if row["event"] == "train":
            own.done += work.per_step
        else:
            own.done += work.per_evaluation.get(row["split"], 0.0)
            own.done += work.beside_evaluation if row["split"] == stage.budget.eval_on else 0.0
        if work.before and not own.done:
            own.done = work.before
        share = row["stage_step"] / stage.budget.steps
        left = self._left(self._total - self._done_by_now)
        seconds = max(row["seconds"] - own.tokens_since, 1e-9)
        speed = f" · {own.tokens / seconds:,.0f} tokens/s" if own.tokens else ""
        loss = f"{row['loss']:.3f}" if row["loss"] is not None else "not finite"
        said = f"step {row['stage_step']}/{stage.budget.steps} · loss {loss}{speed}"
        # Of several stages at once, each goes at a share of the speed that is known, that of them all.
        this = "" if len(self._under_way) > 1 else self._left(self._stage_total(stage) - own.done)
        self._bars.update(own.bar, completed=share, total=1.0, told=f"{said} · {this} left" if this else said)
        self._bars.update(
            self._study_bar,
            completed=self._done_by_now,
            told=f"stage {self._number} of {len(self._plan.stages)}" + (f" · {left} left" if left else ""),
        )
        which = f"{self._title(stage)}: " if len(self._under_way) > 1 else ""
        self._line(f"    {which}{said}" + (f" · study: {left} left" if left else ""))

    @property
    def _done_by_now(self) -> float:
        return self._done + sum(one.done for one in self._under_way.values())

    def _left(self, work: float) -> str:
        """Return the time that some work takes at the speed so far; empty until there is a speed."""
        elapsed = time.monotonic() - self._started
        done = self._done_by_now
        return duration(max(0.0, work) * elapsed / done) if done > 0 and elapsed > 2 else ""

    def _line(self, text: str) -> None:
        if self.console.is_terminal or time.monotonic() - self._last_line < LINE_EVERY:
            return
        self._last_line = time.monotonic()
        self._say(text)

    def _ended(self, stage: PlannedStage, record: StageRecord) -> None:
        self._done += self._stage_total(stage)
        own = self._under_way.pop(stage.address)
        self._bars.remove_task(own.bar)
        took = duration(time.monotonic() - own.started)
        if record.status == "failed":
            reason = (record.failure or {}).get("reason", "unknown reason")
            self._say(f"  [red]failed[/red] {self._title(stage)} after {took}: {escape(str(reason))}")
        else:
            self._say(f"  [green]done[/green]   {self._title(stage)} in {took}")

    def _skipped(self, stage: PlannedStage, why: str) -> None:
        self._number += 1
        self._done += self._stage_total(stage)
        self._say(f"  [yellow]skipped[/yellow] {self._title(stage)}: {escape(why)}")

    def _title(self, stage: PlannedStage) -> str:
        title = f"{stage.address.chain}, {stage.address.title}"
        study = self._plan.study
        place = [stage.address.model] if len(study.models) > 1 else []
        place += [stage.address.task] if len(study.tasks) > 1 else []
        return f"{', '.join(place)}: {title}" if place else title

    def _say(self, text: str) -> None:
        """Print a line, which a terminal may wrap and nothing else: paths in it are there to be copied."""
        self.console.print(visible(text), soft_wrap=True)
