"""The job service: the journal, the blobs and the workers, tied together for one server loop.

One thread owns a JobService and calls `step` whenever one of `filenos()` is readable, `timeout_s()`
has passed, or it has itself changed something. No method waits, except `step` with a time limit
and `close`. Clients' requests become calls of `submit`, `cancel`, `get`, `jobs`, `events_since`
and `release`; what happens to jobs is told to the `on_event` function. What clients are told must
be on disk: `journal.sync` knows when it is.
"""

from __future__ import annotations

import math
import select
import time
from typing import TYPE_CHECKING

from backend.admission import Admission
from backend.checkpoints import Checkpoint, no_checkpoint
from backend.dispatcher import Dispatcher, Outcome
from backend.guard import Guard
from backend.housekeeping import Housekeeping
from backend.inputs import inputs_of
from backend.journal.journal import Change, Journal
from backend.log import JobLog
from backend.retention import Retention
from backend.settings import ServerSettings
from backend.status import ServiceStatus, WorkerStatus
from backend.store.blobs import BlobStore
from backend.text import hide_folder, without_folders
from backend.worker.messages import Previewed
from protocol.errors import Busy, UnexpectedMessage
from protocol.messages.jobs import FINAL_STATES, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from backend.executors.base import Executor
    from protocol.messages.jobs import Job, JobInfo

__all__ = ["JobService"]

_KEEPING = "housekeeping"
_SYNCING = "syncing the data folder"
_LONGEST_WAIT_S = 60.0
_STOP_S = 5.0  # for what cannot be written down while the service stops; the next one redoes it


class JobService:
    """Takes jobs and has them done. Raises StartError when the folder cannot be had."""

    def __init__(
        self,
        root: Path,
        executors: Sequence[Executor],
        settings: ServerSettings | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        checkpoint: Checkpoint = no_checkpoint,
    ) -> None:
        hide_folder(root)
        self.settings = settings or ServerSettings()
        self.on_event: Callable[[str, JobInfo], None] = lambda owner, info: None
        self.on_preview: Callable[[Previewed], None] = lambda preview: None
        self.guard = Guard(clock)
        self.shown: Collection[str] = ()  # jobs whose preview pictures somebody wants
        self._executors = executors
        self._clock = clock
        self._log = JobLog()
        self._stop_by_s = float("-inf")
        self._is_closed = False
        self.journal = Journal(root, checkpoint=checkpoint, clock=clock)
        try:
            self.blobs = BlobStore(
                root,
                quota_bytes=self.settings.store_bytes,
                checkpoint=checkpoint,
                tags=self.journal.holdings.tags,
                sync_names=self.journal.sync.note,
                clock=clock,
            )
            retention = Retention(self.journal, self.settings)
            self._admission = Admission(self.journal, self.blobs, retention, self.settings)
            self._housekeeping = Housekeeping(
                self.journal, self.blobs, retention, self.settings, clock=clock
            )
            self._dispatcher = Dispatcher(
                self.journal,
                self.blobs,
                root / "scratch",
                self.guard,
                clock=clock,
                tell=self._tell,
                let_go=self._housekeeping.let_go,
                results_retry_s=self.settings.results_retry_s,
            )
            self._recover()
        except BaseException:
            self.journal.close()
            raise
        for executor in executors:
            executor.start()

    def submit(self, owner: str, key: str, job: Job, label: str = "") -> tuple[JobInfo, bool]:
        """Queue a job; return it, and whether it is new. Tell nobody before it is on disk:
        `journal.sync` knows.

        Raises IdempotencyConflict, InvalidArgument, Busy, UnknownBlob, DiskFull. A key that is
        known is answered also when the queue is full.
        """
        if self.journal.entry_of_key(owner, key) is None:
            if not self._dispatcher.starts_jobs:
                raise Busy("the server is stopping and takes no more jobs")
            self._admission.check(owner, job)
        info, is_new = self.journal.add(key, owner, job, label)
        if is_new:
            self.blobs.pins.pin(info.job_id, inputs_of(job))
            self._log.info("queued", info.job_id, kind=info.kind, owner=owner[:12], label=label)
            self.on_event(owner, info)
        return info, is_new

    def cancel(self, owner: str, job_id: str) -> JobInfo:
        """End a job: a queued one at once, a running one as soon as its worker obeys. One that has
        ended stays as it is. Raises UnknownJob, also for another owner's."""
        info = self.journal.entry(job_id, owner).info
        if info.state in {JobState.QUEUED, JobState.INTERRUPTED}:
            self._dispatcher.end(Outcome(job_id, JobState.CANCELLED, Change()), info.state)
        elif info.state is JobState.RUNNING:
            self.journal.request_cancel(job_id)
            if job_id in self._dispatcher.running:
                self._dispatcher.running[job_id].cancel(job_id)
            self._log.info("asked to stop", job_id)
        return self.journal.info(job_id)

    def resume(self, owner: str, job_id: str) -> JobInfo:
        """Queue an interrupted job again; any other stays as it is. Raises UnknownJob."""
        self.journal.entry(job_id, owner)
        if self.journal.advance(job_id, JobState.INTERRUPTED, JobState.QUEUED):
            self._tell(job_id)
        return self.journal.info(job_id)

    def get(self, owner: str, job_id: str) -> JobInfo:
        """Return a job. Raises UnknownJob, also for another owner's."""
        return self.journal.entry(job_id, owner).info

    def jobs(self, owner: str, *, after: str = "", limit: int = -1) -> list[JobInfo]:
        """Return an owner's jobs, oldest first: those after one that is known, at most so many."""
        return self.journal.infos(owner, after=after, limit=limit)

    def events_since(self, owner: str, job_id: str, sequence: int) -> list[JobInfo]:
        """Return what happened to a job after an event. Raises UnknownJob."""
        self.journal.entry(job_id, owner)
        return self.journal.events_since(job_id, sequence)

    def release(self, owner: str, job_id: str) -> JobInfo:
        """Forget a job that has ended: its key is free, and results that nobody else may use are
        removed. Returns what it was.

        Raises UnknownJob, and UnexpectedMessage for a job that has not ended.
        """
        info = self.journal.entry(job_id, owner).info
        if info.state not in FINAL_STATES:
            raise UnexpectedMessage(f"the job is {info.state}: cancel it first", job_id=job_id)
        self._housekeeping.forget(job_id)
        return info

    def filenos(self) -> list[int]:
        """Descriptors that are readable when `step` has something to do; ask anew each time."""
        workers = [number for executor in self._awake() for number in executor.filenos()]
        return [*workers, self.journal.sync.fileno()]

    def timeout_s(self) -> float:
        """How long `step` need not be called while nothing is readable."""
        # H8: a part that rests is due when it has rested, whatever time it gives itself.
        due = [self.guard.deadline_s(), *(each.deadline_s() for each in self._awake())]
        if not self.guard.rests(_KEEPING):
            due.append(self._housekeeping.deadline_s())
        earliest = min((time_s for time_s in due if time_s is not None), default=math.inf)
        return min(max(0.0, earliest - self._clock()), _LONGEST_WAIT_S)

    def step(self, timeout_s: float = 0.0) -> None:
        """Do what is due now; before that wait, at most so long, until something is.

        Nothing that goes wrong in it is raised, but FolderLost: the data folder is gone for good.
        """
        if timeout_s > 0:
            poller = select.poll()
            for number in self.filenos():
                poller.register(number, select.POLLIN)
            poller.poll(min(timeout_s, self.timeout_s()) * 1000)
        if not self.guard.rests(_SYNCING):
            with self.guard(_SYNCING):
                self.journal.sync.step()
        for executor in self._executors:
            self._hear(executor)
        self._dispatcher.step(self._executors)
        with self.guard("asking for previews"):
            for job_id, executor in self._dispatcher.running.items():
                executor.show(job_id, wanted=job_id in self.shown)
        if self._dispatcher.running:
            self._stop_by_s = self._clock() + _STOP_S
        if not self.guard.rests(_KEEPING):
            with self.guard(_KEEPING):
                self._housekeeping.step()
        self._housekeeping.check_folder()

    def status(self) -> ServiceStatus:
        """How the service is."""
        job_of = {executor: job_id for job_id, executor in self._dispatcher.running.items()}
        return ServiceStatus(
            queued=self.journal.count(JobState.QUEUED),
            running=self.journal.count(JobState.RUNNING),
            accepting=self._dispatcher.starts_jobs,
            stored_bytes=self.blobs.used_bytes,
            free_bytes=self._free_bytes(),
            kept=self.journal.count(*FINAL_STATES),
            notices=(*map(without_folders, self.journal.notices), *self.guard.problems()),
            workers=tuple(
                WorkerStatus(
                    e.device, e.state, e.pid, job_of.get(e, ""), without_folders(e.problem)
                )
                for e in self._executors
            ),
        )

    def stop(self, *, drain: bool) -> None:
        """Take no more jobs and start none. What runs is finished with `drain`; without, it is
        stopped and queued again for the next server, and this run does not count."""
        self._dispatcher.starts_jobs = False
        if not drain:
            for job_id, executor in self._dispatcher.running.items():
                executor.cancel(job_id)

    def kill(self) -> None:
        """The same as `stop` without draining, by force."""
        self._dispatcher.starts_jobs = False
        for executor in self._executors:
            executor.kill()

    @property
    def has_stopped(self) -> bool:
        """Whether nothing runs any more after `stop`."""
        if self._dispatcher.starts_jobs or self._dispatcher.running:
            return False
        is_idle = self._dispatcher.is_idle and self.journal.sync.safe == self.journal.sync.mark
        return is_idle or self._clock() >= self._stop_by_s

    def close(self, timeout_s: float = 2.0) -> None:
        """End the workers, each within this time, and let the folder go. What ran is recovered by
        the next server. May be called twice."""
        for executor in self._executors:
            executor.close(timeout_s)
        if not self._is_closed:
            self._is_closed = True
            with self.guard("closing the journal"):
                self._housekeeping.close()
            self.journal.close()

    def _recover(self) -> None:
        for notice in self.journal.notices:
            self._log.warning(notice)
        for info in self.journal.recover(self.settings.max_attempts):
            self._log.warning("ran when the last server ended", info.job_id, now=info.state)
        self._housekeeping.begin()

    def _awake(self) -> list[Executor]:
        return [each for each in self._executors if not self.guard.rests(_hearing(each))]

    def _hear(self, executor: Executor) -> None:
        """Take in what a worker reports."""
        what = _hearing(executor)
        if self.guard.rests(what):
            return
        with self.guard(what):
            for report in executor.poll():
                if isinstance(report, Previewed):
                    self.on_preview(report)
                else:
                    with self.guard("taking a report", is_tried_again=False):
                        self._dispatcher.take(report)

    def _free_bytes(self) -> int:
        try:
            return self.blobs.room_bytes()
        except OSError:  # the folder is gone, or the disk does not answer
            return 0

    def _tell(self, job_id: str) -> None:
        entry = self.journal.entry(job_id)
        self.on_event(entry.owner, entry.info)


def _hearing(executor: Executor) -> str:
    return f"hearing the worker on {executor.device}"
