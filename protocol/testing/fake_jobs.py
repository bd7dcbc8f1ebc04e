"""Jobs in memory, which the test moves."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from ..errors import IdempotencyConflict, UnknownJob
from ..messages import Event
from ..messages.jobs import FINAL_STATES, MOVES, JobInfo, JobState

if TYPE_CHECKING:
    from ..messages import Submit
    from ..messages.jobs import BlobId, Job

__all__ = ["FakeJobs"]


@dataclass
class _Entry:
    info: JobInfo
    job: Job
    user: str
    events: list[Event] = field(default_factory=list)


class FakeJobs:
    """The journal of a FakeServer. The test calls `advance` and `progress` from its own thread;
    nothing runs by itself."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}
        self._numbers = itertools.count(1)

    def submit(self, message: Submit, user: str) -> tuple[JobInfo, bool]:
        """Accept a job; also whether its key was known. Raises IdempotencyConflict."""
        with self._lock:
            for entry in self._entries.values():
                if entry.user == user and entry.info.key == message.key:
                    if entry.job != message.job:
                        raise IdempotencyConflict(
                            f"The key {message.key} belongs to another job.", key=message.key
                        )
                    return entry.info, True
            kind = msgspec.to_builtins(message.job)["kind"]
            info = JobInfo(
                job_id=f"job-{next(self._numbers)}",
                key=message.key,
                kind=kind,
                label=message.label,
                state=JobState.QUEUED,
                sequence=1,
            )
            entry = _Entry(info, message.job, user)
            entry.events.append(Event(info.job_id, 1, JobState.QUEUED))
            self._entries[info.job_id] = entry
            return info, False

    def cancel(self, job_id: str, user: str) -> JobInfo:
        """Stop a job unless it is over. Raises UnknownJob."""
        info = self.info(job_id, user)
        if info.state not in FINAL_STATES:
            self.advance(job_id, JobState.CANCELLED)
        return self.info(job_id, user)

    def resume(self, job_id: str, user: str) -> JobInfo:
        """Queue a job again if it was interrupted. Raises UnknownJob."""
        if self.info(job_id, user).state is JobState.INTERRUPTED:
            self.advance(job_id, JobState.QUEUED)
        return self.info(job_id, user)

    def release(self, job_id: str, user: str) -> JobInfo:
        """Forget a job. Raises UnknownJob."""
        info = self.info(job_id, user)
        with self._lock:
            del self._entries[job_id]
        return info

    def info(self, job_id: str, user: str) -> JobInfo:
        """A job of this user. Raises UnknownJob."""
        with self._lock:
            entry = self._entries.get(job_id)
            if entry is None or entry.user != user:
                raise UnknownJob(f"There is no job {job_id}.", job_id=job_id)
            return entry.info

    def infos(self, user: str, after: str = "") -> list[JobInfo]:
        """This user's jobs after one of them, oldest first."""
        with self._lock:
            infos = [entry.info for entry in self._entries.values() if entry.user == user]
        ids = [info.job_id for info in infos]
        return infos[ids.index(after) + 1 :] if after in ids else infos

    def events(self, job_id: str, since: int) -> list[Event]:
        """The events of a job after one of them; none of one that was released."""
        with self._lock:
            entry = self._entries.get(job_id)
            events = [] if entry is None else entry.events
            return [event for event in events if event.sequence > since]

    def count(self, state: JobState) -> int:
        """How many jobs are in a state."""
        with self._lock:
            return sum(entry.info.state is state for entry in self._entries.values())

    def jobs(self) -> list[Job]:
        """What was accepted, in order."""
        with self._lock:
            return [entry.job for entry in self._entries.values()]

    def advance(
        self, job_id: str, state: JobState, *, results: dict[str, BlobId] | None = None
    ) -> None:
        """Move a job. Raises ValueError for a move that is not allowed."""
        with self._lock:
            entry = self._entries[job_id]
            if state not in MOVES[entry.info.state]:
                raise ValueError(f"{entry.info.state} -> {state} is not allowed")
            self._note(entry, state=state, results=results or {})

    def progress(self, job_id: str, stage: str, done: int, total: int) -> None:
        """Report progress of a job."""
        with self._lock:
            self._note(self._entries[job_id], stage=stage, done=done, total=total)

    def _note(self, entry: _Entry, **changes: object) -> None:
        info = msgspec.structs.replace(entry.info, sequence=entry.info.sequence + 1, **changes)
        entry.info = info
        event = Event(info.job_id, info.sequence, info.state, info.stage, info.done, info.total)
        entry.events.append(event)
