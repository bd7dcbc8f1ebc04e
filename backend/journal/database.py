"""The journal's connection to SQLite: transactions, and what goes wrong with them in words.

A write that another program's lock or a full disk keeps out is refused at once and changes
nothing: the thread that asks is the one that answers all clients, so it never waits here.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from protocol.errors import Busy, DiskFull

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from backend.checkpoints import Checkpoint
    from backend.journal.disk_sync import DiskSync

__all__ = ["Database"]

_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR})
_LOCKED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
_SHUT = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM})


class Database:
    """One connection that threads may share. Reading and writing raise Busy and DiskFull.

    What was written survives the process at once, and a power cut when `sync` has it.
    """

    def __init__(
        self, connection: sqlite3.Connection, path: Path, checkpoint: Checkpoint, sync: DiskSync
    ) -> None:
        connection.row_factory = sqlite3.Row
        # `sync` does both, in its thread: here every client would wait for the disk (H7).
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0").fetchall()
        self._sync = sync
        self.mutex = threading.RLock()
        self.connection = connection
        self._path = path
        self._number = os.stat(path).st_ino
        self._checkpoint = checkpoint

    @property
    def is_in_place(self) -> bool:
        """Whether the file that is open still has its name: what is written to a file without a
        name is lost with this process."""
        try:
            return os.stat(self._path).st_ino == self._number
        except OSError:
            return False

    def close(self) -> None:
        """Let go of the file. May be called twice."""
        with self.mutex:
            self.connection.close()

    def rows(self, query: str, values: Iterable[object] = ()) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self.mutex, _in_words():
            return self.connection.execute(query, tuple(values)).fetchall()

    def row(self, query: str, values: Iterable[object] = ()) -> sqlite3.Row | None:
        """The first row of a query, if any."""
        with self.mutex, _in_words():
            found: sqlite3.Row | None = self.connection.execute(query, tuple(values)).fetchone()
            return found

    def write(self, query: str, values: Iterable[object] = ()) -> int:
        """Change something inside a transaction; return how many rows."""
        return self.connection.execute(query, tuple(values)).rowcount

    def write_all(self, query: str, rows: Iterable[tuple[object, ...]]) -> None:
        """The same change for many rows."""
        self.connection.executemany(query, rows)

    @contextmanager
    def transaction(self, name: str = "", *, is_durable: bool = True) -> Iterator[None]:
        """All of the block is written at its end, or nothing. Raises Busy, DiskFull.

        `name`: of the checkpoints before and after the commit, if it has any. What is not durable
        gets safe with the next that is: there is more progress than anything else.
        """
        with self.mutex, _in_words():
            if not self.is_in_place:
                raise Busy("the journal of this server is gone from its folder")
            try:
                self.connection.execute("BEGIN IMMEDIATE")
                yield
                if name:
                    self._checkpoint(f"before_{name}")
                self.connection.execute("COMMIT")
            finally:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
            if is_durable:
                self._sync.note()
            if name:
                self._checkpoint(f"after_{name}")

    def shrink(self, n_pages: int) -> bool:
        """Give pages that are free back to the disk, at most so many; whether more are left."""
        with self.mutex, _in_words():
            # A row without columns comes for each page, and `execute` stops at the first of them.
            self.connection.executescript(f"PRAGMA incremental_vacuum({n_pages:d})")
            left = int(self.connection.execute("PRAGMA freelist_count").fetchone()[0])
            if not left:
                self._sync.checkpoint()
            return left > 0


@contextmanager
def _in_words() -> Iterator[None]:
    """Turn SQLite's refusals into the protocol's, without the names of the server's files."""
    try:
        yield
    except sqlite3.OperationalError as error:
        code = error.sqlite_errorcode & 0xFF
        if code in _FULL:
            text = f"the server's journal cannot be written: {error}"
            raise DiskFull(text, side="server") from error
        if code in _LOCKED:
            text = "another program holds the server's journal just now: try again later"
            raise Busy(text) from error
        if code in _SHUT:
            raise Busy(f"the server's journal cannot be written now: {error}") from error
        raise
