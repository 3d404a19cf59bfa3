"""`tuneoff run`: compute what is missing, show the table, say where the report is."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console

from tuneoff.checks.examine import check_names
from tuneoff.evidence.results import read_results
from tuneoff.executors.local import Executor, run_plan
from tuneoff.progress import Reporter
from tuneoff.reading import ReadStudy
from tuneoff.report import REPORT, overview_tables, terminal_table
from tuneoff.running import run_study
from tuneoff.trackers.tracking import tracked
from tuneoff.training.state import Interrupted
from tuneoff.words import visible

STOPPING = "stopping after this step, to keep what is done (press Ctrl-C again to leave at once)"


class StopRequest:
    """Remembers that the user pressed Ctrl-C; the second time it is not waited for."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.asked = False

    def __call__(self) -> bool:
        """Return whether the user asked to stop."""
        return self.asked

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        # By a thread: the signal may have come in the middle of a print, which would be begun again in here.
        threading.Thread(target=_say, args=(self.console, STOPPING)).start()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Turn Ctrl-C into a request while inside; the handler before is put back."""
        before = signal.signal(signal.SIGINT, self._on_signal)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


def run_command(
    read: ReadStudy,
    out: Path,
    forced: Sequence[str] = (),
    language: str = "en",
    track: Sequence[str] = (),
    execute: Executor = run_plan,
) -> int:
    """Run a study with progress on the error stream and the table on the output; returns the exit status.

    `track` names the trackers that are told of its runs; `execute` computes the stages.
    """
    check_names(forced)
    console = Console(stderr=True, highlight=False)
    stop = StopRequest(console)
    reporter = Reporter(console, stop)
    try:
        with stop.listening(), tracked(reporter, track, out) as listener:
            store = run_study(read, out, listener, forced, language, execute)
    except Interrupted:
        _say(console, f"interrupted; what is done is in {out}. To go on, run the same command again.")
        return 130
    finally:
        reporter.close()
    results = read_results(store)
    for table in [terminal_table(results, language), *overview_tables(results, language)]:
        Console().print(table)
    _say(console, f"report: {out / REPORT}")
    return 1 if any(one["status"] == "failed" for one in results["runs"]) else 0


def _say(console: Console, text: str) -> None:
    """Print a text with a path in it as it is: no markup, no line broken in the middle."""
    console.print(visible(text), markup=False, soft_wrap=True)
