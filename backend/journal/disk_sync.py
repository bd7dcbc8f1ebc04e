"""What was written becomes safe on disk in a thread of its own.

A disk may take a second for a sync, and the thread that writes is the one that answers all clients
(H7). So it goes on; what must not be said or done before something is safe waits: an answer, the
removal of a file, the end of a job whose results have just got their names.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from protocol.server import DiskThread
from protocol.transfer import sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

__all__ = ["DiskSync"]

_LOG_BYTES = 2 << 20  # of the write-ahead log, before its pages go where they belong
_BUSY_S = 0.05


class DiskSync:
    """Syncs the write-ahead log of a journal, and folders in which names have changed.

    `mark` counts what was written, and `safe` how much of that survives a power cut. Many writes
    share one sync. Belongs to the journal's owner, who calls `step` when `fileno()` is readable.
    """

    def __init__(self, journal: Path) -> None:
        self.mark = self.safe = 0
        self.is_lost = False  # the disk has not kept something that was written
        self._disk = _Disk(journal)
        self._thread = DiskThread("EX-4D journal")
        self._folders: set[Path] = set()  # written in, and not given to the thread yet
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()
        self._is_under_way = self._is_closed = False

    def fileno(self) -> int:
        """What is readable when `step` has something to do."""
        return self._thread.fileno()

    def note(self, folder: Path | None = None) -> None:
        """Take note that something was written: the journal, or a name in a folder."""
        self.mark += 1
        if folder is not None:
            self._folders.add(folder)
        self._begin()

    def then(self, do: Callable[[], None]) -> None:
        """Do it when all that is written by now is safe, after what was given earlier."""
        if self._waiting or self.safe < self.mark:
            self._waiting.append((self.mark, do))
        else:
            do()

    def checkpoint(self) -> None:
        """Have the log's pages put where they belong, soon."""
        self._thread.put(self._disk.checkpoint, lambda result: None)

    def step(self) -> None:
        """Do what has waited. Raises OSError when the disk does not sync: what waits goes on
        waiting, and the next call tries again."""
        self._thread.take()
        self._do_waiting()
        self._begin()

    def close(self) -> None:
        """Sync the rest, as far as the disk does, and end the thread. May be called twice."""
        if self._is_closed:
            return
        self._is_closed = True
        with suppress(OSError):
            self._thread.close()
            self._disk.sync(self._folders)
            self.safe = self.mark
        self._do_waiting()
        self._disk.close()

    def _begin(self) -> None:
        if self._is_under_way or self.is_lost or self.safe == self.mark:
            return
        self._is_under_way = True
        mark, folders = self.mark, self._folders
        self._folders = set()

        def synced(result: Exception | None) -> None:
            self._is_under_way = False
            if isinstance(result, Exception):
                self._folders |= folders
                # After this error Linux takes the pages for written: a second try would lie.
                self.is_lost = isinstance(result, OSError) and result.errno == errno.EIO
                raise result
            self.safe = mark

        self._thread.put(lambda: self._disk.sync(folders), synced)

    def _do_waiting(self) -> None:
        while self._waiting and self._waiting[0][0] <= self.safe:
            self._waiting.popleft()[1]()


class _Disk:
    """What the thread does. SQLite would sync at each commit, or at none."""

    def __init__(self, journal: Path) -> None:
        self._log = journal.with_name(journal.name + "-wal")
        self._connection = sqlite3.connect(
            journal, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        self._connection.execute("PRAGMA synchronous = FULL")

    def sync(self, folders: Iterable[Path]) -> None:
        """Names first: what the journal says of a file must not be safe before the file is."""
        for folder in folders:
            sync_folder(folder)
        with suppress(FileNotFoundError):  # nothing was written since SQLite put its pages away
            descriptor = os.open(self._log, os.O_RDWR)
            try:
                os.fsync(descriptor)
                size = os.fstat(descriptor).st_size
            finally:
                os.close(descriptor)
            if size > _LOG_BYTES:
                self.checkpoint()

    def checkpoint(self) -> None:
        # PASSIVE: it keeps no writer waiting, and what it has to leave is for the next time.
        with suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        self._connection.close()
