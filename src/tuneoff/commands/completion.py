"""What the shell offers when Tab is pressed: quick, without torch."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from typer import Context


def complete_study(incomplete: str) -> Iterator[str]:
    """Yield the shipped studies and the study files (and folders to look into) that begin as what was typed."""
    from tuneoff.shipped import SUFFIXES, shipped_studies

    yield from (name for name in shipped_studies() if name.startswith(incomplete))
    typed = Path(incomplete)
    incomplete = incomplete.replace(os.sep, "/")
    folder = typed if incomplete.endswith("/") else typed.parent
    if folder.is_dir():
        for entry in sorted(folder.iterdir()):
            shown = entry.as_posix() + ("/" if entry.is_dir() else "")
            if shown.startswith(incomplete) and (entry.is_dir() or entry.suffix in SUFFIXES):
                yield shown


def complete_technique(incomplete: str) -> list[str]:
    """Return the techniques that begin as what was typed."""
    from tuneoff.techniques import names

    return _beginning(names(), incomplete)


def complete_check(incomplete: str) -> list[str]:
    """Return the doctor's checks that a run makes, and so may be forced."""
    from tuneoff.checks import quick_names

    return _beginning(quick_names(), incomplete)


def complete_tracker(incomplete: str) -> list[str]:
    """Return the trackers that begin as what was typed, installed or not."""
    from tuneoff.trackers import TRACKERS

    return _beginning(TRACKERS, incomplete)


def complete_format(incomplete: str) -> list[str]:
    """Return the formats of predictions that begin as what was typed."""
    from tuneoff.predicted_files import FORMATS

    return _beginning(FORMATS, incomplete)


def complete_model(ctx: Context, incomplete: str) -> list[str]:
    """Return the models of the run directory that was typed before."""
    return _beginning(_in_run(ctx, "model"), incomplete)


def complete_task(ctx: Context, incomplete: str) -> list[str]:
    """Return the tasks of the run directory, of the model that was typed if one was."""
    return _beginning(_in_run(ctx, "task"), incomplete)


def complete_chain(ctx: Context, incomplete: str) -> list[str]:
    """Return the techniques that the run directory has stages of."""
    return _beginning(_in_run(ctx, "technique"), incomplete)


def complete_seed(ctx: Context, incomplete: str) -> list[str]:
    """Return the seeds that the run directory has done stages of, lowest first."""
    return _beginning(map(str, sorted({int(one) for one in _in_run(ctx, "seed")})), incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]


def _in_run(ctx: Context, what: str) -> list[str]:
    """Return the names of one kind in a run directory, in alphabetical order, as far as the others typed allow them.

    Only folders' names are read: stages/<model>/<task>/<chain>/seed-<n>, with `-fold-<k>` where there are folds.
    """
    # Behind an option that waits for its value, click leaves what was typed without one where it was.
    directory = ctx.params.get("directory") or next(iter(ctx.args), None)
    if directory is None:
        return []
    levels = ("model", "task", "technique", "seed")
    given = {level: ctx.params.get(level) for level in levels if level != what}
    found = []
    for done in Path(directory).glob("stages/*/*/*/seed-*/DONE"):
        parts = dict(zip(levels, done.parts[-5:-1], strict=True))
        parts["seed"] = parts["seed"].split("-")[1]
        if all(value is None or parts[level] == str(value) for level, value in given.items()):
            found.append(parts[what])
    return sorted({*found})
