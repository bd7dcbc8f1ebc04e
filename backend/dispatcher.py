"""Jobs to workers and back: the part of the service that moves jobs through their states."""

from __future__ import annotations

import shutil
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from backend.disk import as_disk_full
from backend.executors.base import WorkerState
from backend.journal import Change, Entry, Journal
from backend.log import JobLog
from backend.results import adopt_results
from backend.status import inputs_of
from backend.worker_messages import Cancelled, Failed, Finished, Progressed, Report, Run
from protocol.errors import DiskFull, UnknownBlob
from protocol.jobs import FINAL_STATES, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from backend.blobs import BlobStore
    from backend.executors.base import Executor
    from protocol.jobs import BlobId

__all__ = ["Dispatcher", "Outcome"]

_JOURNAL_RETRY_S = 1.0
_NO_RESULTS: Mapping[str, BlobId] = {}


class Outcome(NamedTuple):
    """How a run has ended; not yet in the journal."""

    job_id: str
    to_state: JobState
    change: Change


class Dispatcher:
    """Gives queued jobs to free workers and writes down what becomes of them.

    `tell` is called with a job's number after each change that is on disk.
    """

    def __init__(
        self,
        journal: Journal,
        blobs: BlobStore,
        scratch: Path,
        *,
        clock: Callable[[], float],
        tell: Callable[[str], None],
    ) -> None:
        self.starts_jobs = True
        self.running: dict[str, Executor] = {}
        self.outcomes: deque[Outcome] = deque()
        self._retry_at_s = 0.0
        self._is_blocked = False
        self._journal = journal
        self._blobs = blobs
        self._scratch = scratch
        self._clock = clock
        self._tell = tell
        self._log = JobLog()
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)

    def take(self, report: Report) -> None:
        """Pass progress on; turn the end of a run into what the journal shall say of it."""
        match report:
            case Progressed(job_id, stage, done, total):
                with suppress(DiskFull):  # a later one, or the end, will be written
                    if self._journal.progress(job_id, stage, done, total):
                        self._tell(job_id)
            case Finished(job_id, results):
                self.running.pop(job_id, None)
                ended = adopt_results(self._blobs, self._scratch / job_id, results)
                state = JobState.FAILED if ended.error_code else JobState.DONE
                self.pin(self._journal.entry(job_id), ended.results)
                self.outcomes.append(Outcome(job_id, state, ended))
            case Failed(job_id, code, text):
                self.running.pop(job_id, None)
                self.outcomes.append(Outcome(job_id, JobState.FAILED, Change(code, text)))
            case Cancelled(job_id):
                self.running.pop(job_id, None)
                was_asked = self._journal.entry(job_id).cancel_requested
                state = JobState.CANCELLED if was_asked else JobState.QUEUED
                self.outcomes.append(Outcome(job_id, state, Change(returns_attempt=not was_asked)))

    def step(self, executors: Sequence[Executor]) -> None:
        """Write down how runs have ended and give every worker that is ready the next job. While
        the journal's disk is full, all stays as it is and is tried again each second."""
        if self._clock() < self._retry_at_s:
            return
        try:
            while self.outcomes:
                self.end(self.outcomes[0], JobState.RUNNING)
                self.outcomes.popleft()
            self._dispatch(executors)
            self._is_blocked = False
        except DiskFull as error:
            self._is_blocked = True
            self._retry_at_s = self._clock() + _JOURNAL_RETRY_S
            self._log.warning(error.text)

    def deadline_s(self) -> float | None:
        """When `step` must be called again, on the service's clock."""
        return self._retry_at_s if self._is_blocked else None

    def end(self, outcome: Outcome, from_state: JobState) -> None:
        """Write down how a job has ended; nothing if it has left `from_state`. Raises DiskFull."""
        job_id, to_state, change = outcome
        if self._journal.advance(job_id, from_state, to_state, change):
            shutil.rmtree(self._scratch / job_id, ignore_errors=True)
            self.pin(self._journal.entry(job_id))
            self._log.info(to_state, job_id, **({"code": c} if (c := change.error_code) else {}))
            self._tell(job_id)

    def _dispatch(self, executors: Sequence[Executor]) -> None:
        for executor in executors:
            while self.starts_jobs and executor.state is WorkerState.READY:
                entry = self._journal.next_queued()
                if entry is None:
                    return
                self._start(entry, executor)

    def _start(self, entry: Entry, executor: Executor) -> None:
        """Give a queued job to a worker that is ready. Raises DiskFull."""
        job_id = entry.info.job_id
        try:
            inputs = {b.sha256: str(self._blobs.path_of(b)) for b in inputs_of(entry.job)}
        except UnknownBlob as error:
            change = Change(error.code, "a file of this job is no longer on the server")
            self.end(Outcome(job_id, JobState.FAILED, change), JobState.QUEUED)
            return
        scratch = self._scratch / job_id
        shutil.rmtree(scratch, ignore_errors=True)
        with as_disk_full(self._scratch, 0):
            scratch.mkdir()
        if self._journal.advance(job_id, JobState.QUEUED, JobState.RUNNING):
            executor.send(Run(job_id, entry.job, inputs, str(scratch)))
            self.running[job_id] = executor
            self._log.info("started", job_id, device=executor.device, attempt=entry.attempts + 1)
            self._tell(job_id)

    def pin(self, entry: Entry, results: Mapping[str, BlobId] = _NO_RESULTS) -> None:
        """Keep what a job needs: its inputs until it has ended, and its results."""
        inputs = () if entry.info.state in FINAL_STATES else inputs_of(entry.job)
        kept = {**entry.info.results, **results}.values()
        self._blobs.pin(entry.info.job_id, [*inputs, *kept])
