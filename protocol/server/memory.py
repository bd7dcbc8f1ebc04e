"""Memory that is free, given back to the system."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

__all__ = ["give_back"]


def give_back() -> None:
    """Have the C library return what it holds of freed memory (I6): after a burst of messages it
    keeps hundreds of MiB. Where it has no such call, nothing happens."""
    if sys.platform.startswith("linux"):
        with suppress(AttributeError, OSError):  # another C library than glibc
            ctypes.CDLL(None).malloc_trim(0)
