"""The journal's tables, and how those of earlier versions become these."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from backend.inputs import inputs_of
from protocol.messages.jobs import FINAL_STATES, BlobId, Job

if TYPE_CHECKING:
    import sqlite3

__all__ = ["VERSION", "create", "migrate"]

VERSION = 2
# Bodies lie apart: a camera path may have a megabyte, and nothing but the start of a job reads it.
_TABLES = """
CREATE TABLE jobs (
    ordinal INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order of the queue
    job_id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    label TEXT NOT NULL,
    kind TEXT NOT NULL,
    digest BLOB NOT NULL,  -- SHA-256 of the body
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
    ended_s REAL,  -- on the journal's clock; null: it has not
    UNIQUE (owner, key)
);
CREATE INDEX jobs_by_state ON jobs (state, owner, ordinal);
CREATE INDEX jobs_by_owner ON jobs (owner, ordinal);
CREATE INDEX jobs_by_end ON jobs (ended_s) WHERE ended_s IS NOT NULL;
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
CREATE TABLE bodies (  -- of jobs that have not ended
    job_id TEXT NOT NULL PRIMARY KEY REFERENCES jobs (job_id) ON DELETE CASCADE,
    body BLOB NOT NULL
);
CREATE TABLE inputs (  -- of jobs that have not ended
    job_id TEXT NOT NULL REFERENCES jobs (job_id) ON DELETE CASCADE,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (job_id, sha256)
) WITHOUT ROWID;
CREATE INDEX inputs_by_file ON inputs (sha256);
CREATE TABLE rights (  -- who may use a file, and why
    sha256 TEXT NOT NULL,
    owner TEXT NOT NULL,
    via TEXT NOT NULL,  -- the job whose result it is; '': the owner sent it
    size INTEGER NOT NULL,
    fetched INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (sha256, owner, via)
) WITHOUT ROWID;
CREATE INDEX rights_by_job ON rights (via);
CREATE INDEX rights_by_owner ON rights (owner, via);
CREATE TABLE turns (  -- the higher the number, the later the owner's last turn
    owner TEXT NOT NULL PRIMARY KEY,
    turn INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE clock (seconds REAL NOT NULL);  -- of all servers of this folder, added up
INSERT INTO clock VALUES (0);
"""
_SAME = (
    "ordinal, job_id, owner, key, label, kind, state, stage, done, total, sequence, attempts, "
    "cancel_requested, error_code, error_text, results"
)
_BODY = msgspec.msgpack.Decoder(Job)
_RESULTS = msgspec.msgpack.Decoder(dict[str, BlobId])


def create(connection: sqlite3.Connection) -> None:
    """Make the tables in an empty database."""
    connection.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")


def migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables of version 1 to this one, in one transaction.

    Whoever has handed in a job may use its files and its results, as before.
    """
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute("DROP INDEX jobs_by_state")
        for table in ("jobs", "events"):
            connection.execute(f"ALTER TABLE {table} RENAME TO {table}_1")
        for statement in _statements(_TABLES):
            connection.execute(statement)
        ordinals = connection.execute("SELECT ordinal FROM jobs_1 ORDER BY ordinal").fetchall()
        for (ordinal,) in ordinals:
            _copy_job(connection, ordinal)
        connection.execute("INSERT INTO events SELECT * FROM events_1")
        connection.execute("DROP TABLE events_1")
        connection.execute("DROP TABLE jobs_1")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute("PRAGMA foreign_keys = ON")


def _copy_job(connection: sqlite3.Connection, ordinal: int) -> None:
    """One job at a time: all bodies together may not fit into memory."""
    job_id, owner, state, body, results = connection.execute(
        "SELECT job_id, owner, state, body, results FROM jobs_1 WHERE ordinal = ?", (ordinal,)
    ).fetchone()
    has_ended = state in FINAL_STATES
    connection.execute(
        f"INSERT INTO jobs ({_SAME}, digest, ended_s) SELECT {_SAME}, ?, ? FROM jobs_1 "  # noqa: S608
        "WHERE ordinal = ?",
        (hashlib.sha256(body).digest(), 0.0 if has_ended else None, ordinal),
    )
    inputs: tuple[BlobId, ...] = ()
    with suppress(msgspec.MsgspecError):  # a job that cannot be read cannot run either
        inputs = inputs_of(_BODY.decode(body))
    rows = [(blob.sha256, owner, "", blob.size) for blob in inputs]
    rows += [(blob.sha256, owner, job_id, blob.size) for blob in _RESULTS.decode(results).values()]
    connection.executemany(
        "INSERT OR IGNORE INTO rights (sha256, owner, via, size) VALUES (?, ?, ?, ?)", rows
    )
    if not has_ended:
        connection.execute("INSERT INTO bodies VALUES (?, ?)", (job_id, body))
        connection.executemany(
            "INSERT OR IGNORE INTO inputs VALUES (?, ?, ?)",
            [(job_id, blob.sha256, blob.size) for blob in inputs],
        )


def _statements(script: str) -> list[str]:
    """`executescript` would end the transaction."""
    bare = "\n".join(line.partition("--")[0] for line in script.splitlines())
    return [statement for statement in bare.split(";") if statement.strip()]
