"""What the journal tells of its jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from backend.journal.entry import Entry, entry_of, event_of, info_of
from protocol.errors import UnknownJob
from protocol.messages.jobs import Job, JobState

if TYPE_CHECKING:
    import sqlite3

    from backend.journal.database import Database
    from protocol.messages.jobs import JobInfo

__all__ = ["JournalReader"]

_BODY = msgspec.msgpack.Decoder(Job)


class JournalReader:
    """The reading half of a Journal. Nothing but `job` reads what a job is to do."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def entry(self, job_id: str, owner: str | None = None) -> Entry:
        """Return a job, of this owner if one is given. Raises UnknownJob."""
        row = self._row("job_id = ?", job_id)
        if row is None or owner not in {None, row["owner"]}:
            raise UnknownJob(f"there is no job {job_id}", job_id=job_id)
        return entry_of(row)

    def info(self, job_id: str) -> JobInfo:
        """Return a job as its client sees it. Raises UnknownJob."""
        return self.entry(job_id).info

    def job(self, job_id: str) -> Job:
        """Return what a job that has not ended is to do. Raises UnknownJob."""
        row = self.database.row("SELECT body FROM bodies WHERE job_id = ?", (job_id,))
        if row is None:
            raise UnknownJob(f"there is no job {job_id} that waits or runs", job_id=job_id)
        job: Job = _BODY.decode(row["body"])
        return job

    def entry_of_key(self, owner: str, key: str) -> Entry | None:
        """Return the job that an owner has submitted under a key, if any."""
        row = self._row("owner = ? AND key = ?", owner, key)
        return None if row is None else entry_of(row)

    def entries(self, *states: JobState) -> list[Entry]:
        """Return all jobs in these states, oldest first."""
        marks = ", ".join("?" * len(states))
        return [entry_of(row) for row in self._rows(f"state IN ({marks})", *states)]

    def infos(self, owner: str, *, after: str = "", limit: int = -1) -> list[JobInfo]:
        """Return an owner's jobs as a client sees them, oldest first: those after one that is
        known, at most so many."""
        known = "owner = ?1 AND ordinal > ifnull((SELECT ordinal FROM jobs WHERE owner = ?1 AND "
        rows = self._rows(f"{known} job_id = ?2), 0)", owner, after, limit=limit)
        return [info_of(row) for row in rows]

    def next_queued(self) -> Entry | None:
        """Return the job whose turn it is: the oldest of the owner who had no turn for longest."""
        row = self.database.row(
            "SELECT * FROM jobs WHERE ordinal = (SELECT first FROM (SELECT owner, min(ordinal) AS "
            "first FROM jobs WHERE state = 'queued' GROUP BY owner) LEFT JOIN turns USING (owner) "
            "ORDER BY ifnull(turn, 0), first LIMIT 1)"
        )
        return None if row is None else entry_of(row)

    def count(self, *states: JobState, owner: str | None = None) -> int:
        """Return how many jobs are in these states, of all owners or of one."""
        marks = ", ".join("?" * len(states))
        query = f"SELECT count(*) FROM jobs WHERE state IN ({marks})"  # noqa: S608
        if owner is not None:
            query += " AND owner = ?"
        row = self.database.row(query, states if owner is None else (*states, owner))
        return 0 if row is None else int(row[0])

    def events_since(self, job_id: str, sequence: int) -> list[JobInfo]:
        """Return what happened to a job after an event, oldest first, as the job was then.

        Sequence numbers rise without end; there are gaps where progress was overtaken by more of
        the same stage. Error and results stand in the last one. Raises UnknownJob.
        """
        query = "SELECT * FROM events WHERE job_id = ? AND sequence > ? ORDER BY sequence"
        with self.database.mutex:
            last = self.info(job_id)
            rows = self.database.rows(query, (job_id, sequence))
        return [event_of(row, last) for row in rows]

    def _row(self, condition: str, *values: object) -> sqlite3.Row | None:
        rows = self._rows(condition, *values, limit=1)
        return rows[0] if rows else None

    def _rows(self, condition: str, *values: object, limit: int = -1) -> list[sqlite3.Row]:
        query = f"SELECT * FROM jobs WHERE {condition} ORDER BY ordinal LIMIT {limit:d}"  # noqa: S608
        return self.database.rows(query, values)
