"""Why a job failed: a stable code, and a text that fits into a message.

out_of_memory    fewer frames or a smaller size may work
device_error     the GPU refuses to go on in this process; another process may work
worker_died      the worker's process ended by itself
timeout          a stage made no progress for too long
internal_error   a fault of ours or of a library
anything else    the code of an Ex4dError: what was given is wrong, and the text says what
"""

from __future__ import annotations

import traceback

from backend.disk import FULL
from backend.text import trimmed
from ex4d.errors import Ex4dError

__all__ = ["POISONED", "code_of", "text_of"]

POISONED = frozenset({"device_error"})  # the process that reported it cannot go on
_OUT_OF_MEMORY = ("out of memory", "cannot allocate memory", "unable to allocate")
_DEVICE_ERRORS = ("cuda error", "device-side assert", "illegal memory access", "cublas_status")
_HINT = "try fewer frames or a smaller size"


def code_of(error: BaseException) -> str:
    """The code for an exception of a job."""
    number = next((e.errno for e in (error, error.__cause__) if isinstance(e, OSError)), None)
    if number in FULL:
        return "disk_full"
    if isinstance(error, Ex4dError):
        return error.code
    text = f"{type(error).__name__}: {error}".lower()
    is_memory = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    if is_memory or any(words in text for words in _OUT_OF_MEMORY):
        return "out_of_memory"
    if any(words in text for words in _DEVICE_ERRORS):
        return "device_error"
    return "internal_error"


def text_of(error: BaseException) -> str:
    """A sentence for what a user can mend; else type, message and where it happened."""
    code = code_of(error)
    if isinstance(error, Ex4dError):
        return trimmed(str(error))
    summary = trimmed(f"{type(error).__name__}: {error}", 2_000)
    if code == "out_of_memory":
        return f"there was not enough memory: {_HINT} ({summary})"
    places = "".join(traceback.format_tb(error.__traceback__, limit=-20))
    return trimmed(f"{summary}\n{places}")
