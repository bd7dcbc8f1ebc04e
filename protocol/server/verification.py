"""Stored files whose bytes nobody can vouch for, hashed before anybody gets them (H9)."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from ..errors import FileChanged
from ..messages.jobs import BlobId

if TYPE_CHECKING:
    from collections.abc import Callable

    from .disk_thread import DiskThread

__all__ = ["Verification"]

_STEP_BYTES = 32 << 20  # before another file has its turn at the disk
_READ_BYTES = 1 << 20


class Verification:
    """Hashes one file, once however many wait for it, in steps; `end` hears whether it is right.

    It has a descriptor of its own, which it closes.
    """

    def __init__(
        self, disk: DiskThread, blob: BlobId, descriptor: int, end: Callable[[bool], None]
    ) -> None:
        self._disk = disk
        self._blob = blob
        self._descriptor = os.dup(descriptor)
        self.inode = os.fstat(descriptor).st_ino
        self._end = end
        self._digest = hashlib.sha256()
        self._size = 0
        self._next()

    def _next(self) -> None:
        self._disk.put(self._step, self._stepped)

    def _step(self) -> bool:
        """Hash some more; whether that was all. Raises FileChanged, OSError."""
        os.lseek(self._descriptor, self._size, os.SEEK_SET)
        for _ in range(_STEP_BYTES // _READ_BYTES):
            data = os.read(self._descriptor, _READ_BYTES)
            if not data:
                if BlobId(self._digest.hexdigest(), self._size) != self._blob:
                    raise FileChanged("Its hash is another.")
                return True
            self._digest.update(data)
            self._size += len(data)
        return False

    def _stepped(self, result: bool | Exception) -> None:
        if result is False:
            self._next()
            return
        self._disk.put_close(lambda: os.close(self._descriptor))
        self._end(result is True)
