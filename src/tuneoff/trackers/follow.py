"""One tracker, told of one run at a time; what goes wrong in it ends the tracking, never the training."""

import io
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from typing import Any

from tuneoff.trackers.base import OpenRun, TrackedRun, Tracker
from tuneoff.trackers.ledger import Ledger
from tuneoff.trackers.rows import Steps


class Follower:
    """Tells a tracker of runs, of each step once; `say` gets the one warning, after which nothing more is told."""

    def __init__(self, name: str, tracker: Tracker, ledger: Ledger, say: Callable[[str], None]) -> None:
        self._name, self._tracker, self._ledger, self._say = name, tracker, ledger, say
        self._run: TrackedRun | None = None
        self._open: OpenRun | None = None
        self._steps: Steps | None = None
        self.broken = False
        self.told = False

    def begin(self, run: TrackedRun, rows: Iterable[Mapping[str, Any]]) -> None:
        """Open a run and tell the rows of its stages so far."""

        def tell() -> None:
            self._begin(run)
            self._add(rows)

        self._harmlessly(tell)

    def row(self, row: Mapping[str, Any]) -> None:
        """Tell a row of the run that is open."""
        self._harmlessly(lambda: self._add([row]))

    def end(
        self, run: TrackedRun, rows: Iterable[Mapping[str, Any]], final: Mapping[str, float], *, whole: bool
    ) -> None:
        """Tell what is missing of a run's rows, and its final numbers, and close it; `whole`: there is no more."""
        self._harmlessly(lambda: self._end(run, rows, final, whole))

    def leave(self) -> None:
        """Close the run that is open, which is not over yet."""
        self._harmlessly(self._close)

    def is_whole(self, run: TrackedRun) -> bool:
        """Return whether a run was told to its end, by this command or one before."""
        return self._ledger.is_whole(run.id)

    def look(self) -> str | None:
        """Return how to look at what was told; None if nothing was."""
        return None if self.broken or not self.told else self._tracker.look()

    def _begin(self, run: TrackedRun) -> None:
        self._close()
        with _unprinted():
            opened, last = self._tracker.open(run, self._ledger.last(run.id))
        self._run, self._open, self.told = run, opened, True

        def tell(numbers: dict[str, float], step: int) -> None:
            opened.log(numbers, step=step)
            self._ledger.note(run.id, step)

        self._steps = Steps(last, tell)

    def _end(self, run: TrackedRun, rows: Iterable[Mapping[str, Any]], final: Mapping[str, float], whole: bool) -> None:
        if self._run != run:
            self._begin(run)
        self._add(rows)
        assert self._steps is not None and self._open is not None
        self._steps.flush()
        last = self._steps.last
        if final and last is not None:
            self._open.log(dict(final), step=last)
        self._close()
        if whole and last is not None:
            self._ledger.note(run.id, last, whole=True)

    def _add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        if self._steps is not None:
            for row in rows:
                self._steps.add(row)

    def _close(self) -> None:
        steps, opened = self._steps, self._open
        self._run = self._steps = self._open = None
        if steps is not None and opened is not None:
            steps.flush()
            with _unprinted():
                opened.finish()

    def _harmlessly(self, tell: Callable[[], None]) -> None:
        """Turn an error of the tracker into a warning: it is not worth a training, whatever its library raises."""
        if self.broken:
            return
        try:
            tell()
        except Exception as error:
            self.broken = True
            self._run = self._steps = self._open = None
            reason = " ".join(str(error).split()) or "no reason given"
            self._say(f"{self._name} is told nothing more ({type(error).__name__}: {reason}); training goes on")


def _unprinted() -> redirect_stdout[io.StringIO]:
    """Keep what trackers print as they open and close from the output, which is the study's."""
    return redirect_stdout(io.StringIO())
