"""What can go wrong because of the input, as exceptions whose text a user can act on.

TuneoffError
├── StudyError    a study file, a command-line setting or a technique's settings
├── DataError     a task's files or columns
│   └── DataNotHereError    files that are not there, or a hub that cannot be reached
├── ModelError    a model's folder, architecture or tokenizer
│   └── MisfitError    a technique that a model cannot be trained by as asked
├── StoreError    a run directory
│   └── WriteError    a file that the system does not let us write
└── ExecutorError    the processes or machines that compute a study
"""

import errno
import os
import sys
from pathlib import Path


class TuneoffError(Exception):
    """Bad input: the message says what is wrong, where, and what to do. The commands exit with status 2."""


class StudyError(TuneoffError):
    """A study that cannot be run as written. `problems` holds one line for each thing that is wrong."""

    def __init__(self, problems: str | list[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class DataError(TuneoffError):
    """A data set that cannot be read or cannot be used; the message names file, line and column."""


class DataNotHereError(DataError):
    """Data that are elsewhere: nothing is known to be wrong with them, and a plan can do without."""


class ModelError(TuneoffError):
    """A model that cannot be loaded or used as asked."""


class MisfitError(ModelError):
    """A technique that a model cannot be trained by as asked; `chain` names its stage."""

    def __init__(self, chain: str, why: str) -> None:
        self.chain = chain
        super().__init__(why)


class StoreError(TuneoffError):
    """A run directory that cannot be read, written or locked."""


class ExecutorError(TuneoffError):
    """Other processes or machines that are to compute a study: not there, not alike, or gone."""


class WriteError(StoreError):
    """A file that cannot be written: the disk is full, or the folder may only be read. `why` is the system's word."""

    def __init__(self, path: Path, error: OSError) -> None:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT) or os.strerror(errno.ENOSPC) in str(error)
        self.why = os.strerror(errno.ENOSPC) if full else error.strerror or str(error)
        way_out = "make room on the disk" if full else "make it writable, or give another --out (or --to)"
        if isinstance(error, PermissionError) and sys.platform == "win32":
            way_out = "close it where it is open, make it writable, or give another --out (or --to)"
        super().__init__(
            f"{path}: cannot be written ({self.why}); {way_out}, and run the same command again: what is done is kept"
        )
