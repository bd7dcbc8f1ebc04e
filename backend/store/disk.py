"""What the server asks of the disk."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from protocol.errors import DiskFull
from protocol.transfer import FULL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["FULL", "as_disk_full", "disk_full", "free_bytes"]


def free_bytes(root: Path) -> int:
    """Bytes that can still be written where `root` lies."""
    return shutil.disk_usage(root).free


def disk_full(need_bytes: int, have_bytes: int, what: str) -> DiskFull:
    """The error for a lack of room on the server."""
    return DiskFull(
        f"the server has no room for {what}: {need_bytes} bytes are needed, {have_bytes} are free",
        side="server",
        need_bytes=need_bytes,
        have_bytes=have_bytes,
    )


@contextmanager
def as_disk_full(root: Path, need_bytes: int) -> Iterator[None]:
    """Turn the system's ways to say that a disk is full into DiskFull."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise disk_full(need_bytes, free_bytes(root), "a file") from error
