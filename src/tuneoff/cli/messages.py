"""What the user sees of a mistake: one message, and the documented exit status."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from tuneoff.errors import TuneoffError
from tuneoff.words import shortened, visible

LONGEST_LINE = 2000  # characters of a message: what is longer quotes the input
BAD_INPUT, INTERRUPTED = 2, 130


@contextmanager
def plain_errors() -> Iterator[None]:
    """Print the user's mistakes as one message without a traceback, and leave with the documented status."""
    try:
        yield
    except TuneoffError as error:
        _leave(f"error: {error}", BAD_INPUT)
    except OSError as error:
        if error.filename is None:  # no file of the user's: a mistake of ours
            raise
        what = f"{error.filename}: {error.strerror}"
        _leave(f"error: {what}. Make room or change the file's rights, or give another place.", BAD_INPUT)
    except KeyboardInterrupt:
        _leave("interrupted; run the same command again to go on", INTERRUPTED)


def _leave(message: str, status: int) -> NoReturn:
    lines = (shortened(line, LONGEST_LINE) for line in message.split("\n"))
    typer.echo("\n".join(map(visible, lines)), err=True)
    raise typer.Exit(status)
