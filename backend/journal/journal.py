"""The journal: every job and what became of it, safe on disk before anybody is told.

A SQLite file in write-ahead mode: what a method has returned survives a killed process, and a
power cut as soon as `sync` says so. One process at a time has it (`<root>/lock`); threads may
share it.
"""

from __future__ import annotations

import hashlib
import time
import uuid
from typing import TYPE_CHECKING

import msgspec

from backend.checkpoints import Checkpoint, no_checkpoint
from backend.inputs import inputs_of
from backend.journal.database import Database
from backend.journal.disk_sync import DiskSync
from backend.journal.entry import Change, Entry, info_of
from backend.journal.file import JOURNAL_NAME, open_database
from backend.journal.holdings import Holdings
from backend.journal.reader import JournalReader
from backend.lock import FolderLock
from backend.text import trimmed
from protocol.errors import IdempotencyConflict
from protocol.messages.jobs import FINAL_STATES, MOVES, JobState

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from protocol.messages.jobs import Job, JobInfo

__all__ = ["Change", "Entry", "Journal"]

_NOTHING = Change()
_MOST_COUNT = 100_000  # what JobInfo allows for `done` and `total`
_FINALS = ", ".join(f"'{state}'" for state in sorted(FINAL_STATES))


class Journal(JournalReader):
    """The jobs of one folder. `notices` hold what the operator should know of the start.

    Raises FolderInUse, JournalTooNew or JournalShut when made; Busy and DiskFull by
    whatever writes. `clock` is monotonic; the journal's own goes on from server to server, and
    stands still while there is none: a wall clock that jumps makes no job old (J16).
    """

    def __init__(
        self,
        root: Path,
        *,
        checkpoint: Checkpoint = no_checkpoint,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = FolderLock(root)
        try:
            connection, self.notices = open_database(root, was_killed=self._lock.was_killed)
            self.sync = DiskSync(root / JOURNAL_NAME)
            super().__init__(Database(connection, root / JOURNAL_NAME, checkpoint, self.sync))
        except BaseException:
            self._lock.release()
            raise
        self.holdings = Holdings(self.database)
        self._clock = clock
        [[kept_s]] = self.database.rows("SELECT seconds FROM clock")
        self._began_s = clock() - float(kept_s)

    @property
    def is_in_place(self) -> bool:
        """Whether the data folder still holds this journal."""
        return self.database.is_in_place and self._lock.is_in_place

    def now_s(self) -> float:
        """The time that all servers of this folder have run."""
        return self._clock() - self._began_s

    def keep_time(self) -> None:
        """Write the clock down; a crash costs what went by since the last time."""
        with self.database.transaction(is_durable=False):
            self.database.write("UPDATE clock SET seconds = max(seconds, ?)", (self.now_s(),))

    def close(self) -> None:
        """Let go of the folder. May be called twice."""
        self.sync.close()
        self.database.close()
        self._lock.release()

    def add(self, key: str, owner: str, job: Job, label: str = "") -> tuple[JobInfo, bool]:
        """Queue a job and return it, and whether it is new.

        The same owner, key and job again give the job that there is. Raises IdempotencyConflict
        when the key belongs to another job.
        """
        body = msgspec.msgpack.encode(job)
        digest = hashlib.sha256(body).digest()
        with self.database.transaction("add"):
            row = self._row("owner = ? AND key = ?", owner, key)
            if row is not None:
                if bytes(row["digest"]) != digest:
                    raise IdempotencyConflict(
                        f"the key {key} already belongs to another job", job_id=row["job_id"]
                    )
                return info_of(row), False
            job_id = uuid.uuid4().hex
            self.database.write(
                "INSERT INTO jobs (job_id, owner, key, label, kind, digest, state) "
                "VALUES (?, ?, ?, ?, ?, ?, 'queued')",
                (job_id, owner, key, label, job.__struct_config__.tag, digest),
            )
            self.database.write("INSERT INTO bodies VALUES (?, ?)", (job_id, body))
            self.holdings.add_inputs(job_id, inputs_of(job))
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
        nothing changes, no event is written, and False says so: they look again or let it be.
        Raises ValueError for a move that MOVES lacks.
        """
        if to_state not in MOVES[from_state]:
            raise ValueError(f"no job may go from {from_state} to {to_state}")
        # A start that a power cut takes back is made again.
        is_durable = to_state is not JobState.RUNNING
        with self.database.transaction(to_state.value, is_durable=is_durable):
            moved = self._move(job_id, from_state, to_state, change)
            if moved:
                self._note_event(job_id, is_progress=False)
                if to_state is JobState.RUNNING:
                    self._note_turn(job_id)
                if to_state in FINAL_STATES:
                    self._note_end(job_id, change)
        return moved

    def progress(self, job_id: str, stage: str, done: int, total: int) -> bool:
        """Note how far a running job is; the caller sees to it that this is not too often.

        Takes the place of the last event when that was of the same stage: a replay needs no more.
        Returns False, and changes nothing, when the job does not run.
        """
        done, total = (min(max(count, 0), _MOST_COUNT) for count in (done, total))
        with self.database.transaction("progress", is_durable=False):
            moved = self.database.write(
                "UPDATE jobs SET stage = ?, done = ?, total = ?, sequence = sequence + 1 "
                "WHERE job_id = ? AND state = 'running'",
                (stage[:200], done, total, job_id),
            )
            if moved:
                self.database.write(
                    "DELETE FROM events WHERE job_id = ?1 AND is_progress AND stage = ?2 AND "
                    "sequence = (SELECT sequence - 1 FROM jobs WHERE job_id = ?1)",
                    (job_id, stage[:200]),
                )
                self._note_event(job_id, is_progress=True)
        return bool(moved)

    def request_cancel(self, job_id: str) -> None:
        """Remember that a running job shall end: it is not started again after a crash."""
        with self.database.transaction("cancel_request"):
            self.database.write("UPDATE jobs SET cancel_requested = 1 WHERE job_id = ?", (job_id,))

    def forget(self, job_id: str) -> bool:
        """Remove a job that has ended, and its events; its key is free again."""
        with self.database.transaction("forget"):
            gone = self.database.write(
                f"DELETE FROM jobs WHERE job_id = ? AND state IN ({_FINALS})",  # noqa: S608
                (job_id,),
            )
            if gone:
                self.holdings.end_results(job_id)
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

    def _move(self, job_id: str, from_state: JobState, to_state: JobState, change: Change) -> bool:
        restarts = to_state in {JobState.QUEUED, JobState.RUNNING}
        by_user = from_state is JobState.INTERRUPTED
        step = int(to_state is JobState.RUNNING) - int(change.returns_attempt)
        moved = self.database.write(
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
        )
        return bool(moved)

    def _note_turn(self, job_id: str) -> None:
        self.database.write(
            "INSERT INTO turns SELECT owner, (SELECT ifnull(max(turn), 0) + 1 FROM turns) FROM "
            "jobs WHERE job_id = ? ON CONFLICT (owner) DO UPDATE SET turn = excluded.turn",
            (job_id,),
        )

    def _note_end(self, job_id: str, change: Change) -> None:
        """What a job that has ended needs no more goes; its results are its owner's."""
        self.database.write("UPDATE jobs SET ended_s = ? WHERE job_id = ?", (self.now_s(), job_id))
        self.database.write("DELETE FROM bodies WHERE job_id = ?", (job_id,))
        self.holdings.end_inputs(job_id)
        self.holdings.add_results(job_id, change.results.values())

    def _note_event(self, job_id: str, *, is_progress: bool) -> None:
        """Write what the job is now as its event of the same number."""
        self.database.write(
            "INSERT INTO events SELECT job_id, sequence, state, stage, done, total, ? FROM jobs "
            "WHERE job_id = ?",
            (is_progress, job_id),
        )
