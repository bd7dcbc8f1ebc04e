"""The address of a file: its SHA-256 and its size."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from ..errors import FileChanged
from ..messages.jobs import BlobId

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["blob_of"]

_STEP = 1 << 22


def blob_of(path: str | os.PathLike[str], on_bytes: Callable[[int], None] | None = None) -> BlobId:
    """Read a file and return its address. `on_bytes` is told how much was read, step by step.

    Raises OSError, and FileChanged when the file changed meanwhile.
    """
    digest = hashlib.sha256()
    size = 0
    with open(path, "rb") as file:
        before = os.fstat(file.fileno())
        while data := file.read(_STEP):
            digest.update(data)
            size += len(data)
            if on_bytes is not None:
                on_bytes(len(data))
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise FileChanged("The file changed while it was read.", path=os.fspath(path))
    return BlobId(digest.hexdigest(), size)
