"""Jobs to workers and back: the part of the service that moves jobs through their states."""

from __future__ import annotations

import shutil
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from backend.executors.base import WorkerState
from backend.guard import PASSING, Guard
from backend.journal.journal import Change, Entry, Journal
from backend.log import JobLog
from backend.store.disk import as_disk_full
from backend.store.results import adopt_results
from backend.worker.messages import Cancelled, Failed, Finished, Progressed, Report, Run
from protocol.errors import Busy, DiskFull, UnknownBlob
from protocol.messages.jobs import FINAL_STATES, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from backend.executors.base import Executor
    from backend.store.blobs import BlobStore
    from protocol.messages.jobs import BlobId

__all__ = ["Dispatcher", "Outcome"]

_START = "starting a job"
_TRIES = 30  # of a job whose files cannot be looked at: others wait behind it
_LOST = "a fault of the server has ended this job; its log says more"


class Outcome(NamedTuple):
    """How a run has ended; not yet in the journal."""

    job_id: str
    to_state: JobState
    change: Change


class _Ended(NamedTuple):
    """A worker's last report of a job, and when it came."""

    report: Finished | Failed | Cancelled
    at_s: float


class Dispatcher:
    """Gives queued jobs to free workers and writes down what becomes of them.

    What fails for a reason that may pass (a full disk, another program's lock, no descriptor) is
    tried again each second, and a finished result waits so long; any other fault fails its job.
    `tell` is called with a job's number after each change that is on disk, `let_go` with files
    that a job needs no longer.
    """

    def __init__(
        self,
        journal: Journal,
        blobs: BlobStore,
        scratch: Path,
        guard: Guard,
        *,
        clock: Callable[[], float],
        tell: Callable[[str], None],
        let_go: Callable[[Sequence[BlobId]], None],
        results_retry_s: float,
    ) -> None:
        self.starts_jobs = True
        self.running: dict[str, Executor] = {}
        self._ended: deque[_Ended] = deque()
        self._outcomes: deque[Outcome] = deque()
        self._n_unsafe = 0  # outcomes whose files are not safe on disk yet
        self._litter: set[Path] = set()  # scratch folders that could not be removed
        self._checked: dict[str, list[BlobId]] = {}  # inputs that the worker hashes, of each run
        self._journal = journal
        self._blobs = blobs
        self._scratch = scratch
        self._guard = guard
        self._clock = clock
        self._tell = tell
        self._let_go = let_go
        self._results_retry_s = results_retry_s
        self._tries = 0
        self._log = JobLog()
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)

    @property
    def is_idle(self) -> bool:
        """Whether nothing runs and nothing waits to be written down."""
        return not (self.running or self._ended or self._n_unsafe or self._outcomes)

    def take(self, report: Report) -> None:
        """Pass progress on; keep the end of a run for `step`."""
        match report:
            case Progressed(job_id, stage, done, total):
                with suppress(DiskFull, Busy):  # a later one, or the end, will be written
                    if self._journal.progress(job_id, stage, done, total):
                        self._tell(job_id)
            case Finished() | Failed() | Cancelled():
                self.running.pop(report.job_id, None)
                self._ended.append(_Ended(report, self._clock()))

    def step(self, executors: Sequence[Executor]) -> None:
        """Write down how runs have ended and give every worker that is ready the next job."""
        if self._litter:
            self._tidy()
        for _ in range(len(self._ended)):
            self._take_end(self._ended.popleft())
        for _ in range(len(self._outcomes)):
            self._write_outcome(self._outcomes.popleft())
        if not self._guard.rests(_START):
            self._dispatch(executors)

    def end(self, outcome: Outcome, from_state: JobState) -> None:
        """Write down how a job has ended; nothing if it has left `from_state`. Raises what the
        journal raises."""
        job_id, to_state, change = outcome
        inputs = self._journal.holdings.inputs_of(job_id)
        has_moved = self._journal.advance(job_id, from_state, to_state, change)
        if to_state in FINAL_STATES:
            results = change.results.values() if has_moved else ()

            def let_go() -> None:
                self._blobs.pins.pin(job_id, results)
                self._let_go(inputs)

            self._journal.sync.then(let_go)  # or a job that a power cut brings back lacked them
        if has_moved:
            self._litter.add(self._scratch / job_id)
            self._tidy()
            self._log.info(to_state, job_id, **({"code": c} if (c := change.error_code) else {}))
            self._tell(job_id)

    def _tidy(self) -> None:
        """Remove the scratch folders of jobs that have ended; without a free descriptor, later."""
        for folder in self._litter:
            shutil.rmtree(folder, ignore_errors=True)
        self._litter = {folder for folder in self._litter if folder.exists()}

    def _dispatch(self, executors: Sequence[Executor]) -> None:
        entry: Entry | None = None
        with self._guard(_START) as raised:
            for executor in executors:
                while self.starts_jobs and executor.state is WorkerState.READY:
                    entry = self._journal.next_queued()
                    if entry is None:
                        return
                    self._start(entry, executor)
                    self._tries = 0
        self._tries += len(raised)
        if raised and entry is not None:
            error, job_id = raised[0], entry.info.job_id
            is_its_own = isinstance(error, OSError) and self._tries >= _TRIES
            if is_its_own or not isinstance(error, PASSING):
                self._tries = 0
                with self._guard("failing a job", job_id, is_tried_again=False):
                    state = self._journal.entry(job_id).info.state
                    self.end(_fault(job_id), state)

    def _take_end(self, ended: _Ended) -> None:
        """Turn the end of a run into what the journal shall say of it."""
        report, what = ended.report, f"the end of job {ended.report.job_id[:12]}"
        if self._guard.rests(what):
            self._ended.append(ended)
            return
        with self._guard(what, report.job_id) as raised:
            self._keep(self._outcome_of(report))
        if not raised:
            return
        is_late = self._clock() - ended.at_s > self._results_retry_s
        if isinstance(raised[0], PASSING) and not is_late:
            self._ended.append(ended)
            return
        self._guard.forget(what)
        self._keep(_fault(report.job_id))

    def _keep(self, outcome: Outcome) -> None:
        """Have it written down as soon as the files that it names are safe."""
        self._n_unsafe += 1

        def write_down() -> None:
            self._n_unsafe -= 1
            self._outcomes.append(outcome)

        self._journal.sync.then(write_down)

    def _outcome_of(self, report: Finished | Failed | Cancelled) -> Outcome:
        job_id = report.job_id
        match report:
            case Finished(results=results):
                self._note_checked(job_id)
                inputs = self._journal.holdings.inputs_of(job_id)
                self._blobs.pins.pin(job_id, [*inputs, *results.values()])
                change = adopt_results(self._blobs, self._scratch / job_id, results)
                return Outcome(
                    job_id, JobState.FAILED if change.error_code else JobState.DONE, change
                )
            case Failed(code=code, text=text, damaged=damaged):
                for blob in filter(self._blobs.is_doubtful, damaged):  # not sent again meanwhile
                    self._log.warning("a file is damaged: set aside", job_id, sha256=blob.sha256)
                    self._blobs.set_aside(blob)
                return Outcome(job_id, JobState.FAILED, Change(code, text))
            case Cancelled():
                was_asked = self._journal.entry(job_id).cancel_requested
                state = JobState.CANCELLED if was_asked else JobState.QUEUED
                return Outcome(job_id, state, Change(returns_attempt=not was_asked))

    def _write_outcome(self, outcome: Outcome) -> None:
        what = f"writing down the end of job {outcome.job_id[:12]}"
        if self._guard.rests(what):
            self._outcomes.append(outcome)
            return
        with self._guard(what, outcome.job_id) as raised:
            self._checked.pop(outcome.job_id, None)
            self.end(outcome, JobState.RUNNING)
        if raised:
            self._outcomes.append(outcome)

    def _note_checked(self, job_id: str) -> None:
        for blob in self._checked.pop(job_id, ()):
            self._blobs.known_good(blob)

    def _start(self, entry: Entry, executor: Executor) -> None:
        """Give a queued job to a worker that is ready; one that cannot be given fails."""
        job_id = entry.info.job_id
        blobs = self._journal.holdings.inputs_of(job_id)
        try:
            inputs = {blob.sha256: str(self._blobs.path_of(blob)) for blob in blobs}
        except UnknownBlob as error:
            text = "a file of this job is no longer on the server: send it again"
            failed = Outcome(job_id, JobState.FAILED, Change(error.code, text))
            self.end(failed, JobState.QUEUED)
            return
        job = self._journal.job(job_id)
        scratch = self._scratch / job_id
        shutil.rmtree(scratch, ignore_errors=True)
        with as_disk_full(self._scratch, 0):
            self._scratch.mkdir(exist_ok=True, mode=0o700)  # somebody may have removed it
            scratch.mkdir()
        if not self._journal.advance(job_id, JobState.QUEUED, JobState.RUNNING):
            return
        doubtful = tuple(blob for blob in blobs if self._blobs.is_doubtful(blob))
        self._checked[job_id] = list(doubtful)
        self.running[job_id] = executor
        executor.send(Run(job_id, job, inputs, str(scratch), doubtful))
        self._log.info("started", job_id, device=executor.device, attempt=entry.attempts + 1)
        self._tell(job_id)


def _fault(job_id: str) -> Outcome:
    return Outcome(job_id, JobState.FAILED, Change("internal_error", _LOST))
