"""The journal's database on disk: opened, checked, and moved aside when it is damaged."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING

from backend.errors import JournalShut, JournalTooNew
from backend.journal.lost_commits import lost_commits
from backend.journal.rescue import rescue
from backend.journal.schema import VERSION, create, migrate

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["JOURNAL_NAME", "JOURNAL_NAMES", "open_database", "open_read_only", "problem_of"]

JOURNAL_NAME = "journal.sqlite"
JOURNAL_NAMES = "journal*.sqlite"  # damaged ones, too
_BUSY_S = 0.05  # the thread that waits answers nobody; a write that is refused is tried again
_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_NOMEM,
    }
)
_LOG_BYTES = 256 << 10  # that the write-ahead log keeps when it begins anew


def open_database(root: Path, *, was_killed: bool) -> tuple[sqlite3.Connection, list[str]]:
    """Open `<root>/journal.sqlite`, made when missing, and check every page of it.

    Returns also what somebody should be told: a damaged journal is kept under another name, a
    new one is begun, and what can be read goes over. `was_killed`: the last server did not close
    it. Raises JournalTooNew, JournalShut.
    """
    path = root / JOURNAL_NAME
    try:
        return _open(path, was_killed=was_killed)
    except (sqlite3.OperationalError, OSError) as error:
        raise JournalShut(f"its journal cannot be opened: {error}") from error


def problem_of(path: Path, *, read_only: bool = False) -> str:
    """What is wrong with a database; nothing when it is sound. Raises JournalTooNew.

    With `read_only` nothing on the disk is changed, not even the write-ahead log taken in.
    """
    try:
        connection = open_read_only(path) if read_only else _connect(path)
    except sqlite3.DatabaseError as error:
        return _damage(error)
    try:
        version = _version_of(connection)
        if version > VERSION:
            raise JournalTooNew(
                f"its journal has format {version} of a later EX-4D; this one knows up to {VERSION}"
            )
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            return str(found).replace("\n", " ")
        connection.execute("SELECT * FROM jobs NATURAL JOIN events LIMIT 1").fetchall()
    except sqlite3.DatabaseError as error:
        return _damage(error)
    finally:
        with suppress(sqlite3.DatabaseError):
            connection.close()
    return ""


def open_read_only(path: Path) -> sqlite3.Connection:
    """Open a database to look into it."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=_BUSY_S)


def _damage(error: sqlite3.DatabaseError) -> str:
    """What an error says of the file; raises one that says something of the disk or of others."""
    if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode & 0xFF in _PASSING:
        raise error
    return str(error)


def _open(path: Path, *, was_killed: bool) -> tuple[sqlite3.Connection, list[str]]:
    notices, kept = [], None
    log = _beside(path, "-wal")
    if was_killed and path.exists() and not log.exists():
        notices.append(f"the write-ahead log of {path.name} is missing: changes may be lost")
    if n_lost := lost_commits(log):
        notices.append(
            f"the write-ahead log of {path.name} is damaged: at least the last {n_lost} changes "
            "before the server's end are lost"
        )
    if path.exists() and (problem := problem_of(path)):
        kept = _move_aside(path)
        notices.append(f"{path.name} is damaged ({problem}): kept as {kept.name}, a new one begun")
    connection = _connect(path)
    try:
        version = _version_of(connection)
        if version == 0:
            create(connection)
            # Into the file itself: a lost write-ahead log must not take the tables with it.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        elif version < VERSION:
            migrate(connection)
            _make_shrinkable(connection)
        if kept is not None:
            notices.append(rescue(kept, connection))
    except BaseException:
        connection.close()
        raise
    return connection, notices


def _connect(path: Path) -> sqlite3.Connection:
    # The journal has a lock of its own, so that threads may share the connection.
    connection = sqlite3.connect(
        path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
    )
    try:
        os.chmod(path, 0o600)
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts before the first table only
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}").fetchall()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _make_shrinkable(connection: sqlite3.Connection) -> None:
    """Let a file that an earlier version made give pages back. It needs as much room again for a
    moment; where that is lacking the file works as it is."""
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute("VACUUM")


def _version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _move_aside(path: Path) -> Path:
    """Rename a database and what belongs to it to the first free name."""
    number = 1
    while (kept := path.with_name(f"journal.damaged-{number}.sqlite")).exists():
        number += 1
    for suffix in ("-wal", "-shm", ""):
        with suppress(FileNotFoundError):
            os.replace(_beside(path, suffix), _beside(kept, suffix))
    return kept
