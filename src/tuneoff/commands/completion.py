"""What the shell offers when Tab is pressed: quick, without torch."""

import os
from collections.abc import Iterator
from pathlib import Path


def complete_study(incomplete: str) -> Iterator[str]:
    """Yield the shipped studies and the study files (and folders to look into) that begin as what was typed."""
    from tuneoff.reading import SUFFIXES, shipped_studies

    yield from (name for name in shipped_studies() if name.startswith(incomplete))
    typed = Path(incomplete)
    incomplete = incomplete.replace(os.sep, "/")
    folder = typed if incomplete.endswith("/") else typed.parent
    if folder.is_dir():
        for entry in sorted(folder.iterdir()):
            shown = entry.as_posix() + ("/" if entry.is_dir() else "")
            if shown.startswith(incomplete) and (entry.is_dir() or entry.suffix in SUFFIXES):
                yield shown
