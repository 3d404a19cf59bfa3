"""What peft warns of while it puts adapters in: that it does something else than was asked, which is no warning here.

A record and a content key say what was asked. Where peft takes another block size, or leaves a field out, they would
say what was not done.
"""

import contextlib
import warnings
from collections.abc import Iterator

# Warnings that change nothing of what is trained, by how they begin, each with the reason.
HARMLESS = {
    "Unsupported layer type": "of a size that LN_TUNING, PEANUT and HIRA then do not use",
    "`lora_bias=True` was passed but the targeted layer": "it trains; merging alone is refused, and says so itself",
    "Failed to load the CUDA extension": "BOFT's, which it does without",
    "Setting boft_n_butterfly_factor": "follows the one before",
}


class PeftWarning(ValueError):
    """peft did something else than was asked; the text is its warning, without the place in its own files."""


@contextlib.contextmanager
def warnings_as_errors() -> Iterator[None]:
    """Raise PeftWarning at the end of a block in which peft gave a warning that is not harmless.

    Python's warnings of what will change in libraries (DeprecationWarning, FutureWarning) are given on as they are.
    """
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        yield
    for one in heard:
        if not issubclass(one.category, UserWarning | RuntimeWarning):
            warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
        elif not str(one.message).startswith(tuple(HARMLESS)):
            raise PeftWarning(" ".join(str(one.message).split()).rstrip("."))
