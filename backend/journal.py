"""The journal: every job and what became of it, safe on disk before anybody is told.

A SQLite file in write-ahead mode with `synchronous=FULL`: what a method has returned survives a
killed process and a power cut. One process at a time has it (`<root>/lock`); threads may share it.
"""

from __future__ import annotations

import sqlite3
import threading
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from backend.checkpoints import Checkpoint, no_checkpoint
from backend.journal_entry import Change, Entry, entry_of, event_of, info_of
from backend.journal_file import open_database
from backend.lock import FolderLock
from backend.text import trimmed
from protocol.errors import DiskFull, IdempotencyConflict, UnknownJob
from protocol.jobs import FINAL_STATES, MOVES, JobState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from protocol.jobs import Job, JobInfo

__all__ = ["Change", "Entry", "Journal"]

_NOTHING = Change()
# All but the body: a camera path may have a megabyte.
_INFO_COLUMNS = (
    "job_id, key, kind, label, state, stage, done, total, sequence, error_code, error_text, results"
)
_MOST_COUNT = 100_000  # what JobInfo allows for `done` and `total`


class Journal:
    """The jobs of one folder. `notices` hold what the operator should know of the start.

    Raises FolderInUse or JournalTooNew when made, DiskFull by whatever writes.
    """

    def __init__(self, root: Path, *, checkpoint: Checkpoint = no_checkpoint) -> None:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._root = root
        self._checkpoint = checkpoint
        self._mutex = threading.RLock()
        self._lock = FolderLock(root)
        try:
            opened = open_database(root, was_killed=self._lock.was_killed)
        except BaseException:
            self._lock.release()
            raise
        self._connection, self.notices = opened
        self._connection.row_factory = sqlite3.Row

    def close(self) -> None:
        """Let go of the folder. May be called twice."""
        with self._mutex:
            self._connection.close()
            self._lock.release()

    def add(self, key: str, owner: str, job: Job, label: str = "") -> tuple[JobInfo, bool]:
        """Queue a job and return it, and whether it is new.

        The same owner, key and job again give the job that there is. Raises IdempotencyConflict
        when the key belongs to another job.
        """
        body = msgspec.msgpack.encode(job)
        with self._transaction("add"):
            row = self._row("owner = ? AND key = ?", owner, key)
            if row is not None:
                if bytes(row["body"]) != body:
                    raise IdempotencyConflict(
                        f"the key {key} already belongs to another job", job_id=row["job_id"]
                    )
                return entry_of(row).info, False
            job_id = uuid.uuid4().hex
            self._connection.execute(
                "INSERT INTO jobs (job_id, owner, key, label, kind, body, state) "
                "VALUES (?, ?, ?, ?, ?, ?, 'queued')",
                (job_id, owner, key, label, job.__struct_config__.tag, body),
            )
            self._note_event(job_id, is_progress=False)
        return self.info(job_id), True

    def advance(
        self,
        job_id: str,
        from_state: JobState,
        to_state: JobState,
        change: Change = _NOTHING,
    ) -> bool:
        """Move a job from one state to another, and return whether this call did it.

        The only way that a state changes. Who may race: a cancel with the start or the end of the
        same job, and the end with a second report of it. The UPDATE names the state it starts from
        and runs in one transaction with its event, so SQLite lets one racer win; for the others
        nothing changes, no event is written, and False says so: they look again or let it be. When
        True is returned the move is on disk. Raises ValueError for a move that MOVES lacks.
        """
        if to_state not in MOVES[from_state]:
            raise ValueError(f"no job may go from {from_state} to {to_state}")
        restarts = to_state in {JobState.QUEUED, JobState.RUNNING}
        by_user = from_state is JobState.INTERRUPTED
        step = int(to_state is JobState.RUNNING) - int(change.returns_attempt)
        with self._transaction(to_state.value):
            moved = self._connection.execute(
                "UPDATE jobs SET state = ?, sequence = sequence + 1, error_code = ?, "
                "error_text = ?, results = ?, attempts = attempts * ? + ?, stage = CASE WHEN ? "
                "THEN '' ELSE stage END, done = done * ?, total = total * ? "
                "WHERE job_id = ? AND state = ?",
                (
                    to_state.value,
                    change.error_code,
                    trimmed(change.error_text),
                    msgspec.msgpack.encode(change.results),
                    not by_user,
                    step,
                    restarts,
                    not restarts,
                    not restarts,
                    job_id,
                    from_state.value,
                ),
            ).rowcount
            if moved:
                self._note_event(job_id, is_progress=False)
        return bool(moved)

    def progress(self, job_id: str, stage: str, done: int, total: int) -> bool:
        """Note how far a running job is; the caller sees to it that this is not too often.

        Takes the place of the last event when that was of the same stage: a replay needs no more.
        Returns False, and changes nothing, when the job does not run.
        """
        done, total = (min(max(count, 0), _MOST_COUNT) for count in (done, total))
        with self._transaction("progress"):
            moved = self._connection.execute(
                "UPDATE jobs SET stage = ?, done = ?, total = ?, sequence = sequence + 1 "
                "WHERE job_id = ? AND state = 'running'",
                (stage[:200], done, total, job_id),
            ).rowcount
            if moved:
                self._connection.execute(
                    "DELETE FROM events WHERE job_id = ?1 AND is_progress AND stage = ?2 AND "
                    "sequence = (SELECT sequence - 1 FROM jobs WHERE job_id = ?1)",
                    (job_id, stage[:200]),
                )
                self._note_event(job_id, is_progress=True)
        return bool(moved)

    def request_cancel(self, job_id: str) -> None:
        """Remember that a running job shall end: it is not started again after a crash."""
        with self._transaction("cancel_request"):
            self._connection.execute(
                "UPDATE jobs SET cancel_requested = 1 WHERE job_id = ?", (job_id,)
            )

    def forget(self, job_id: str) -> bool:
        """Remove a job that has ended, and its events; its key is free again."""
        finals = ", ".join(f"'{state}'" for state in FINAL_STATES)
        with self._transaction("forget"):
            gone = self._connection.execute(
                f"DELETE FROM jobs WHERE job_id = ? AND state IN ({finals})",  # noqa: S608
                (job_id,),
            ).rowcount
        return bool(gone)

    def recover(self, max_attempts: int = 2) -> list[JobInfo]:
        """Move what ran when the last server ended, and return those jobs.

        Queued again, in its old place, when it was started less than `max_attempts` times; else
        interrupted: a job that kills its server must not do so for ever (J5). One that was to be
        cancelled is cancelled.
        """
        running = self.entries(JobState.RUNNING)
        for entry in running:
            to_state, change = JobState.QUEUED, Change()
            if entry.cancel_requested:
                to_state = JobState.CANCELLED
            elif entry.attempts >= max_attempts:
                to_state = JobState.INTERRUPTED
                text = f"the server ended {entry.attempts} times while this job ran"
                change = Change(error_code="interrupted", error_text=text)
            self.advance(entry.info.job_id, JobState.RUNNING, to_state, change)
        return [self.info(entry.info.job_id) for entry in running]

    def entry(self, job_id: str, owner: str | None = None) -> Entry:
        """Return a job, of this owner if one is given. Raises UnknownJob."""
        row = self._row("job_id = ?", job_id)
        if row is None or owner not in {None, row["owner"]}:
            raise UnknownJob(f"there is no job {job_id}", job_id=job_id)
        return entry_of(row)

    def info(self, job_id: str) -> JobInfo:
        """Return a job as its client sees it. Raises UnknownJob."""
        rows = self._rows("job_id = ?", job_id, columns=_INFO_COLUMNS)
        if not rows:
            raise UnknownJob(f"there is no job {job_id}", job_id=job_id)
        return info_of(rows[0])

    def entry_of_key(self, owner: str, key: str) -> Entry | None:
        """Return the job that an owner has submitted under a key, if any."""
        row = self._row("owner = ? AND key = ?", owner, key)
        return None if row is None else entry_of(row)

    def entries(self, *states: JobState, owner: str | None = None) -> list[Entry]:
        """Return all jobs in these states (none given: in any), oldest first."""
        wanted = [state.value for state in states or JobState]
        return [
            entry_of(row)
            for row in self._rows("owner = ifnull(?, owner)", owner)
            if row["state"] in wanted
        ]

    def infos(self, owner: str) -> list[JobInfo]:
        """Return an owner's jobs as a client sees them, oldest first."""
        return [info_of(row) for row in self._rows("owner = ?", owner, columns=_INFO_COLUMNS)]

    def next_queued(self) -> Entry | None:
        """Return the job whose turn it is."""
        row = self._row("state = 'queued'")
        return None if row is None else entry_of(row)

    def count(self, *states: JobState) -> int:
        """Return how many jobs are in these states."""
        marks = ", ".join("?" * len(states))
        query = f"SELECT count(*) FROM jobs WHERE state IN ({marks})"  # noqa: S608
        with self._mutex:
            return int(self._connection.execute(query, states).fetchone()[0])

    def events_since(self, job_id: str, sequence: int) -> list[JobInfo]:
        """Return what happened to a job after an event, oldest first, as the job was then.

        Sequence numbers rise without end; there are gaps where progress was overtaken by more of
        the same stage. Error and results stand in the last one. Raises UnknownJob.
        """
        with self._mutex:
            last = self.info(job_id)
            rows = self._connection.execute(
                "SELECT * FROM events WHERE job_id = ? AND sequence > ? ORDER BY sequence",
                (job_id, sequence),
            ).fetchall()
        return [event_of(row, last) for row in rows]

    def _row(self, condition: str, *values: object) -> sqlite3.Row | None:
        rows = self._rows(condition, *values, limit=1)
        return rows[0] if rows else None

    def _rows(
        self, condition: str, *values: object, columns: str = "*", limit: int = -1
    ) -> list[sqlite3.Row]:
        query = f"SELECT {columns} FROM jobs WHERE {condition} ORDER BY ordinal LIMIT {limit}"  # noqa: S608
        with self._mutex:
            return self._connection.execute(query, values).fetchall()

    def _note_event(self, job_id: str, *, is_progress: bool) -> None:
        """Write what the job is now as its event of the same number."""
        self._connection.execute(
            "INSERT INTO events SELECT job_id, sequence, state, stage, done, total, ? FROM jobs "
            "WHERE job_id = ?",
            (is_progress, job_id),
        )

    @contextmanager
    def _transaction(self, name: str) -> Iterator[None]:
        """All of the block is on disk at its end, or nothing. Raises DiskFull."""
        with self._mutex:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                self._checkpoint(f"before_{name}")
                self._connection.execute("COMMIT")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR}:
                    raise
                text = f"the journal in {self._root} cannot be written: {error}"
                raise DiskFull(text, side="server") from error
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            self._checkpoint(f"after_{name}")
