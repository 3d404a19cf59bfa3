"""Files that somebody has open: Windows lets nobody replace or remove them until they are closed."""

import gc
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

PATIENCE = 10.0  # seconds that a file may stay open for: reports and trackers read one in much less
FIRST_WAIT, LONGEST_WAIT = 0.01, 0.5  # seconds between tries


def put_in_place(source: Path, target: Path) -> None:
    """Rename a file or folder over what has its name, once nobody has that open; raises OSError as `Path.replace`."""
    _once_closed(lambda: source.replace(target))


def remove(path: Path) -> None:
    """Remove a file, there or not, once nobody has it open; raises OSError as `Path.unlink`."""
    _once_closed(lambda: path.unlink(missing_ok=True))


def remove_if_closed(path: Path) -> bool:
    """Remove a file, there or not; False where somebody has it open, and so it stays. Raises OSError else."""
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        if not _may_be_open():
            raise
        return False
    return True


def remove_if_possible(path: Path) -> None:
    """Remove a file that does no harm where it stays: somebody has it open, or the folder may only be read."""
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _once_closed(change: Callable[[], object]) -> None:
    """Make a change, again and again while it is refused as Windows refuses it for a file that is open."""
    end, wait = time.monotonic() + PATIENCE, FIRST_WAIT
    while True:
        try:
            change()
            return
        except PermissionError:
            if not _may_be_open() or time.monotonic() > end:
                raise
        gc.collect()  # tensors that this process has done with may still hold the file that they were read from
        time.sleep(wait)
        wait = min(2 * wait, LONGEST_WAIT)


def _may_be_open() -> bool:
    """Return whether a refusal may mean that a file is open: elsewhere than on Windows it is about rights alone."""
    return sys.platform == "win32"
