"""One server per folder."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from backend.errors import FolderInUse

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FolderLock"]


class FolderLock:
    """Holds `<root>/lock` until `release`. The system lets go of it when the process dies.

    Raises FolderInUse when another process, or another object of this one, holds it.
    """

    def __init__(self, root: Path) -> None:
        path = root / "lock"
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(self._descriptor)
        except OSError:
            holder = os.read(self._descriptor, 32).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise FolderInUse(
                f"another server works on {root}"
                + (f" (process {holder})" if holder else "")
                + ": stop it, or give another folder"
            ) from None
        # The number stays in the file when the process is killed, and goes when it ends well.
        self.was_killed = os.fstat(self._descriptor).st_size > 0
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        """Let another server have the folder. May be called twice."""
        if self._descriptor >= 0:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1


def _lock(descriptor: int) -> None:
    """Lock a file or raise OSError at once."""
    if sys.platform == "win32":
        import msvcrt

        os.lseek(descriptor, 1 << 30, os.SEEK_SET)  # a locked byte cannot be read by others
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        os.lseek(descriptor, 0, os.SEEK_SET)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
