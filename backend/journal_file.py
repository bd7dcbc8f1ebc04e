"""The journal's database on disk: opened, checked, and moved aside when it is damaged."""

from __future__ import annotations

import os
import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING

from backend.errors import JournalTooNew

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["JOURNAL_NAME", "JOURNAL_NAMES", "open_database"]

JOURNAL_NAME = "journal.sqlite"
JOURNAL_NAMES = "journal*.sqlite"  # damaged ones, too
_VERSION = 1
_SCHEMA = """
CREATE TABLE jobs (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order of the queue
    job_id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    label TEXT NOT NULL,
    kind TEXT NOT NULL,
    body BLOB NOT NULL,
    state TEXT NOT NULL,
    stage TEXT NOT NULL DEFAULT '',
    done INTEGER NOT NULL DEFAULT 0,
    total INTEGER NOT NULL DEFAULT 0,
    sequence INTEGER NOT NULL DEFAULT 1,
    attempts INTEGER NOT NULL DEFAULT 0,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    error_code TEXT NOT NULL DEFAULT '',
    error_text TEXT NOT NULL DEFAULT '',
    results BLOB NOT NULL DEFAULT x'80',
    UNIQUE (owner, key)
);
CREATE INDEX jobs_by_state ON jobs (state, ordinal);
CREATE TABLE events (
    job_id TEXT NOT NULL REFERENCES jobs (job_id) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    state TEXT NOT NULL,
    stage TEXT NOT NULL,
    done INTEGER NOT NULL,
    total INTEGER NOT NULL,
    is_progress INTEGER NOT NULL,
    PRIMARY KEY (job_id, sequence)
) WITHOUT ROWID;
"""


def open_database(root: Path, *, was_killed: bool) -> tuple[sqlite3.Connection, list[str]]:
    """Open `<root>/journal.sqlite`, made when missing, and check every page of it.

    Returns also what somebody should be told: a damaged journal is kept under another name and a
    new one begun. `was_killed`: the last server did not close it. Raises JournalTooNew.
    """
    path = root / JOURNAL_NAME
    notices = []
    if was_killed and path.exists() and not _beside(path, "-wal").exists():
        notices.append(f"the write-ahead log of {path} is missing: the last changes may be lost")
    if path.exists():
        problem = _problem_of(path)
        if problem:
            kept = _move_aside(path)
            notices.append(f"{path} is damaged ({problem}): kept as {kept.name}, a new one begun")
    connection = _connect(path)
    if _version_of(connection) == 0:
        connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
        # Into the file itself: a lost write-ahead log must not take the tables with it.
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return connection, notices


def _connect(path: Path) -> sqlite3.Connection:
    # The journal has a lock of its own, so that threads may share the connection.
    connection = sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False)
    try:
        os.chmod(path, 0o600)
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _version_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _problem_of(path: Path) -> str:
    """What is wrong with a database; nothing when it is sound. Raises JournalTooNew."""
    try:
        connection = _connect(path)
    except sqlite3.DatabaseError as error:
        return str(error)
    try:
        version = _version_of(connection)
        if version > _VERSION:
            raise JournalTooNew(
                f"{path} has format {version} of a later EX-4D; this one knows up to {_VERSION}"
            )
        found = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            return str(found).replace("\n", " ")
        connection.execute("SELECT * FROM jobs NATURAL JOIN events LIMIT 1").fetchall()
    except sqlite3.DatabaseError as error:
        return str(error)
    finally:
        with suppress(sqlite3.DatabaseError):
            connection.close()
    return ""


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
