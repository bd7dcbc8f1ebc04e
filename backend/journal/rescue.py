"""What can still be read of a damaged journal goes into the new one."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING

from backend.journal.schema import VERSION, migrate
from protocol.messages.jobs import FINAL_STATES

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["rescue"]

_LOST = "the server's journal was damaged and has lost this job: hand it in again"
_ORDERS = {  # of each table, in which its rows are read from both ends
    "jobs": "ordinal",
    "bodies": "rowid",
    "inputs": "job_id {0}, sha256",
    "rights": "sha256 {0}, owner {0}, via",
    "events": "job_id {0}, sequence",
    "turns": "owner",
}


def rescue(kept: Path, connection: sqlite3.Connection) -> str:
    """Copy what can be read of a database that was moved aside into the new one, which stays
    as it is when nothing can; return a sentence about it. A job that waits and has lost what it
    was is failed."""
    try:
        with closing(sqlite3.connect(kept, isolation_level=None)) as old:
            version = int(old.execute("PRAGMA user_version").fetchone()[0])
            if version not in {1, VERSION}:
                return "nothing could be read from it"
            if version == 1:
                migrate(old)
            n_rows = {table: _copy(old, connection, table) for table in _ORDERS}
    except sqlite3.DatabaseError:
        return "nothing could be read from it"
    n_lost = _fail_the_incomplete(connection)
    if not n_rows["jobs"]:
        return "no job could be read from it"
    lost = f", {n_lost} of them without what they were to do: these have failed" if n_lost else ""
    return f"{n_rows['jobs']} jobs could be read from it{lost}"


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> int:
    """Copy rows from the beginning until one cannot be read, then from the end."""
    columns = [row[1] for row in new.execute(f"PRAGMA table_info({table})")]
    marks = ", ".join("?" * len(columns))
    names = ", ".join(columns)
    count = 0
    new.execute("BEGIN")
    for order in ("ASC", "DESC"):
        by = f"{_ORDERS[table].format(order)} {order}"
        query = f"SELECT {names} FROM {table} NOT INDEXED ORDER BY {by}"  # noqa: S608
        if "{0}" in _ORDERS[table]:
            query = query.replace(" NOT INDEXED", "")
        try:
            for row in old.execute(query):
                with suppress(sqlite3.IntegrityError):  # read already, or its job is not there
                    into = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608
                    count += new.execute(into, row).rowcount
            break
        except sqlite3.DatabaseError:
            continue
    new.execute("COMMIT")
    return count


def _fail_the_incomplete(connection: sqlite3.Connection) -> int:
    finals = ", ".join(f"'{state}'" for state in FINAL_STATES)
    where = f"state NOT IN ({finals}) AND job_id NOT IN (SELECT job_id FROM bodies)"  # noqa: S608
    connection.execute("BEGIN")
    count = connection.execute(
        "UPDATE jobs SET state = 'failed', sequence = sequence + 1, ended_s = "  # noqa: S608
        f"(SELECT seconds FROM clock), error_code = 'internal_error', error_text = ? WHERE {where}",
        (_LOST,),
    ).rowcount
    connection.execute(
        "INSERT OR IGNORE INTO events SELECT job_id, sequence, state, stage, done, total, 0 "
        "FROM jobs WHERE error_text = ?",
        (_LOST,),
    )
    connection.execute("COMMIT")
    return count
