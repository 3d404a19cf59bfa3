"""`tuneoff predict`: labels and probabilities for new texts, to a file or the output."""

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from tuneoff.errors import StudyError
from tuneoff.files import write_atomically
from tuneoff.predicted_files import LINES, JsonLines, Parquet, Writer, chosen_format
from tuneoff.predicting import Predictor
from tuneoff.progress import LINE_EVERY
from tuneoff.report.formats import duration
from tuneoff.store import Store
from tuneoff.words import visible

PATIENCE = 2.0  # seconds without a word


def predict_command(
    directory: Path,
    file: Path,
    *,
    technique: str | None,
    model: str | None,
    task: str | None,
    seed: int | None,
    to: Path | None,
    form: str | None,
    force: bool,
) -> None:
    """Predict the rows of a file, and write them to `to` whole or not at all, or print them as they come.

    Raises TuneoffError for bad input, also where `to` is there already and is not to be replaced.
    """
    form = chosen_format(form, to)
    if to is not None and to.exists() and not force:
        raise StudyError(f"--to {to}: is there already; give another name, or --force to replace it")
    console = Console(stderr=True, highlight=False)
    predictor = Predictor(Store.existing(directory), technique=technique, model=model, task=task, seed=seed)
    run = f"{predictor.address.chain}, {predictor.address.title}"
    console.print(visible(f"predicting by {run}"), markup=False, soft_wrap=True)

    def into(writer: Writer) -> None:
        with _progress(console) as progress:
            for predictions in predictor.read(file, progress=progress):
                writer.write(predictions)
        writer.close()

    if to is None:
        _print(form, into)
        return
    write_atomically(to, lambda temporary: _write(form, temporary, into))
    console.print(visible(f"written: {to}"), markup=False, soft_wrap=True)


def _write(form: str, path: Path, into: Callable[[Writer], None]) -> None:
    if form == "parquet":
        into(Parquet(path))
        return
    with path.open("w", encoding="utf-8", newline="") as lines:
        into(LINES[form](lines))


def _print(form: str, into: Callable[[Writer], None]) -> None:
    """Print predictions; whoever reads them may leave early, as `head` does."""
    try:
        into(JsonLines(sys.stdout, shown=sys.stdout.isatty()) if form == "jsonl" else LINES[form](sys.stdout))
        sys.stdout.flush()
    except OSError as error:
        if not reader_left(error):
            raise
        # Python would flush once more as it ends, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def reader_left(error: OSError) -> bool:
    """Return whether a write failed because nobody reads any more, which Windows calls an invalid argument."""
    return error.errno == errno.EPIPE or (sys.platform == "win32" and error.errno == errno.EINVAL)


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[float], None]]:
    """Give a function that takes the share that is done: a bar on a terminal, a line now and then elsewhere."""
    begun = time.monotonic()
    said = begun - LINE_EVERY + PATIENCE
    first: tuple[float, float] | None = None  # when the first part was done, which waits for what is made once
    bar = Progress(
        TextColumn("predicting"),
        BarColumn(bar_width=24),
        TextColumn("{task.percentage:.0f}%"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    )
    task = bar.add_task("", total=1.0)

    def tell(share: float) -> None:
        nonlocal said, first
        now = time.monotonic()
        first = first or (now, share)
        if console.is_terminal:
            if now - begun > PATIENCE:
                bar.start()
            bar.update(task, completed=share)
        elif now - said > LINE_EVERY and first[1] < share < 1:
            said = now
            left = (now - first[0]) * (1 - share) / (share - first[1])
            console.print(f"{share:.0%} done, {duration(left)} left", soft_wrap=True)

    try:
        yield tell
    finally:
        bar.stop()
