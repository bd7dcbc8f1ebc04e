"""Why a job ended badly: a stable code, and a text that fits into a message."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from backend.text import trimmed, without_folders
from ex4d.errors import Ex4dError
from ex4d.runtime.lack_of_memory import is_lack_of_memory
from protocol.transfer import FULL

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["DAMAGED", "FAILURES", "POISONED", "code_of", "text_of"]

FAILURES = {
    "out_of_memory": "There was not enough memory; fewer frames or a smaller size may work.",
    "device_error": "The GPU refused to go on; the worker was replaced.",
    "worker_died": "The worker's process ended by itself.",
    "timeout": "A stage made no progress for too long; the worker was replaced.",
    "disk_full": "The server has no room for the results.",
    "unknown_blob": "A file of the job is no longer on the server.",
    "damaged_input": "A file of the job was damaged on the server; send it again.",
    "internal_error": "A fault of the server or of a library.",
    "interrupted": "The server ended again and again while the job ran.",
    "invalid_input": "Something that was given is wrong; the text says what.",
    "invalid_usage": "Settings do not fit together, or a name is not known.",
    "invalid_video": "A video file is wrong.",
    "invalid_depth": "Depths or their file are wrong.",
    "invalid_camera": "A camera path does not fit the clip.",
    "output_failed": "The results could not be written.",
    "invalid_weights": "Files of the model are missing or wrong; the text says which.",
    "download_failed": "Weights could not be fetched; the text says which.",
    "missing_part": "The server lacks an optional part that the job needs.",
    "error": "Anything else; the text says what.",
}
DAMAGED = "a file of this job was damaged on the server: send it again"
POISONED = frozenset({"device_error"})  # the process that reported it cannot go on
_DEVICE_ERRORS = ("cuda error", "device-side assert", "illegal memory access", "cublas_status")
_HINT = "try fewer frames or a smaller size"


def code_of(error: BaseException) -> str:
    """The code for an exception of a job."""
    if any(isinstance(each, OSError) and each.errno in FULL for each in _chain(error)):
        return "disk_full"
    if isinstance(error, Ex4dError):
        return error.code
    if is_lack_of_memory(error):
        return "out_of_memory"
    text = f"{type(error).__name__}: {error}".lower()
    if any(words in text for words in _DEVICE_ERRORS):
        return "device_error"
    return "internal_error"


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, and those that it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def text_of(error: BaseException) -> str:
    """A sentence for what a client can mend; else type, message and where it happened. Folders of
    the server and advice for its command line stand in none of them."""
    code = code_of(error)
    if isinstance(error, Ex4dError):
        return trimmed(without_folders(error.reason))
    summary = trimmed(without_folders(f"{type(error).__name__}: {error}"[:100_000]), 2_000)
    if code == "out_of_memory":
        return f"there was not enough memory: {_HINT} ({summary})"
    places = "".join(traceback.format_tb(error.__traceback__, limit=-20))
    return trimmed(f"{summary}\n{without_folders(places)}")
