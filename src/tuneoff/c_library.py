"""Functions of the system's C library, where it has them."""

import ctypes
import sys
from collections.abc import Callable


def c_function(name: str) -> Callable[..., int] | None:
    """Return a function of the C library; None where there is none, as outside Linux with glibc."""
    function: Callable[..., int] | None = getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
    return function
