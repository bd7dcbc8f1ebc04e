"""What the server asks of the disk."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from protocol.errors import DiskFull
from protocol.jobs import BlobId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = [
    "FULL",
    "allocate",
    "as_disk_full",
    "disk_full",
    "free_bytes",
    "hash_file",
]

_BLOCK = 1 << 20

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # three ways to say it


def free_bytes(root: Path) -> int:
    """Bytes that can still be written where `root` lies."""
    return shutil.disk_usage(root).free


def allocate(descriptor: int, size_bytes: int) -> None:
    """Take the room for a file from the disk before its first byte, where the system can.

    Raises OSError when there is not so much.
    """
    if size_bytes and hasattr(os, "posix_fallocate"):  # not on macOS and Windows
        try:
            os.posix_fallocate(descriptor, 0, size_bytes)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.EOPNOTSUPP}:  # the file system cannot
                raise


def hash_file(path: Path, on_bytes: Callable[[int], None] | None = None) -> BlobId:
    """Read a file and return its hash and size; tell how much was read, block by block."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
            if on_bytes is not None:
                on_bytes(len(block))
    return BlobId(digest.hexdigest(), size)


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
