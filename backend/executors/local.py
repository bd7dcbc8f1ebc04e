"""A worker process on this machine, at the other end of a pipe."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import DecodeError, ValidationError, msgpack

from backend.executors.assignment import Assignment
from backend.executors.base import WorkerState
from backend.executors.process import WorkerProcess, how_it_ended
from backend.log import JobLog
from backend.settings import ServerSettings
from backend.worker.failures import POISONED
from backend.worker.messages import (
    Cancel,
    Cancelled,
    Failed,
    Finished,
    Previewed,
    Progressed,
    Ready,
    Report,
    Run,
    Show,
    Unfit,
)
from backend.worker.progress import Coalescer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LocalExecutor"]

_SLOWEST_RESTART_S = 30.0
_USUAL = ServerSettings()
_OUT_OF_MEMORY_IN_A_ROW = 2  # J10: what a process keeps after that, only its end gives back
_DECODER: msgpack.Decoder[Report] = msgpack.Decoder(Report)


class LocalExecutor:
    """An Executor with one spawned process. `runner`: what does the jobs, as MODULE:CLASS.
    A job that wants more memory than `settings` give fails with out_of_memory, and the worker
    stays.

    Belongs to one thread, which must not end before `close`: on Linux its workers would end too.
    """

    def __init__(
        self,
        device: str = "cpu",
        settings: ServerSettings = _USUAL,
        *,
        runner: str = "backend.worker.job_runner:JobRunner",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.device = device
        self.problem = ""
        self.returncode: int | None = None
        self._runner = runner
        self._settings = settings
        self._clock = clock
        self._log = JobLog("worker")
        self._worker: WorkerProcess | None = None
        self._is_ready = False
        self._has_loaded = False
        self._is_wanted = False
        self._assignment: Assignment | None = None
        self._n_failed_starts = 0
        self._unfit = ""  # why the last one that started could not work
        self._n_out_of_memory = 0
        self._started_s = self._start_at_s = 0.0

    @property
    def state(self) -> WorkerState:
        """What the worker can be asked for."""
        if self._assignment is not None:
            return WorkerState.BUSY
        if not self._is_wanted:
            return WorkerState.STOPPED
        if self._is_ready:
            return WorkerState.READY
        return WorkerState.UNHEALTHY if self.problem else WorkerState.STARTING

    @property
    def pid(self) -> int | None:
        """The worker's process number."""
        return None if self._worker is None else self._worker.pid

    def start(self) -> None:
        """Start the worker."""
        self._is_wanted = True
        self._spawn()

    def send(self, run: Run) -> None:
        """Give the worker a job; only while it is READY."""
        if self.state is not WorkerState.READY or self._worker is None:
            raise RuntimeError(f"the worker on {self.device} is {self.state}, not ready")
        self._assignment = Assignment(run, Coalescer(), self._clock())
        self._worker.send(run)

    def cancel(self, job_id: str) -> None:
        """Ask for the end of a job, first nicely, then by force; of another job: nothing."""
        now = self._assignment
        if now is None or now.run.job_id != job_id or now.cancelled_s is not None:
            return
        now.cancelled_s = self._clock()
        if self._worker is not None:
            self._worker.send(Cancel(job_id))

    def show(self, job_id: str, *, wanted: bool) -> None:
        """Have preview pictures of a job sent or not; of another job: nothing."""
        now = self._assignment
        if now is None or now.run.job_id != job_id or now.is_shown == wanted:
            return
        now.is_shown = wanted
        if self._worker is not None:
            self._worker.send(Show(job_id, wanted))

    def poll(self) -> list[Report]:
        """Take in what has come, keep the time limits, and replace a worker that died."""
        reports: list[Report] = []
        if self._worker is not None:
            bodies, has_ended = self._worker.receive()
            for body in bodies:
                reports += self._take(body)
            self._keep_limits()
            if has_ended:
                reports += self._bury(self._worker)
        if self._assignment is not None:
            reports += self._assignment.progress.due(self._clock())
        if self._worker is None and self._is_wanted and self._clock() >= self._start_at_s:
            self._spawn()
        return reports

    def filenos(self) -> list[int]:
        """Descriptors that are readable when `poll` has something to do."""
        return [] if self._worker is None else [self._worker.fileno()]

    def deadline_s(self) -> float | None:
        """When `poll` must be called even if nothing is readable, on the executor's clock."""
        if self._worker is None:
            return self._start_at_s if self._is_wanted else None
        if self._worker.is_sending:
            return self._clock() + 0.005  # the pipe is full: the worker reads it at once
        if self._assignment is not None:
            return self._assignment.deadline_s(self._settings)
        return None if self._is_ready else self._started_s + self._settings.worker_start_s

    def terminate(self) -> None:
        """Stop the worker with SIGTERM; its job ends as cancelled. It is not replaced."""
        self._stop_wanting()
        if self._worker is not None:
            self._worker.terminate()

    def kill(self) -> None:
        """The same with SIGKILL."""
        self._stop_wanting()
        if self._worker is not None:
            self._worker.kill()

    def close(self, timeout_s: float) -> None:
        """End the worker within this time and let everything go."""
        self._stop_wanting()
        if self._worker is not None:
            self.returncode = self._worker.close(timeout_s)
            self._worker = None
        self._assignment = None
        self._is_ready = False

    def _stop_wanting(self) -> None:
        self._is_wanted = False
        if self._assignment is not None and self._assignment.cancelled_s is None:
            self._assignment.cancelled_s = self._clock()

    def _spawn(self) -> None:
        self._started_s = self._clock()
        self._has_loaded, self._unfit = False, ""
        try:
            self._worker = WorkerProcess(self.device, self._runner, self._settings)
        except OSError as error:
            self._note_failed_start(f"it cannot be started: {error}")
            return
        self._log.info("worker started", device=self.device, pid=self._worker.pid)

    def _note_failed_start(self, problem: str) -> None:
        self._n_failed_starts += 1
        wait_s = self._settings.worker_restart_s * 2.0 ** (self._n_failed_starts - 1)
        wait_s = min(wait_s, _SLOWEST_RESTART_S)
        self._start_at_s = self._clock() + wait_s
        self.problem = f"the worker on {self.device} does not start: {problem}"
        self._log.warning(self.problem, again_in_s=wait_s)

    def _take(self, body: bytes) -> list[Report]:
        """What is to be passed on of a message from the worker."""
        try:
            report = _DECODER.decode(body)
        except (DecodeError, ValidationError):  # its memory is damaged
            self._kill_worker()
            return []
        if isinstance(report, Ready):
            self._is_ready = self._has_loaded = True
            self._n_failed_starts, self.problem = 0, ""
            return []
        if isinstance(report, Unfit):
            self._unfit = report.text
            return []
        now = self._assignment
        if now is None or report.job_id != now.run.job_id:
            return []
        if isinstance(report, Previewed):
            return [report]
        if isinstance(report, Progressed):
            now.heard_s, now.stage = self._clock(), report.stage
            return [*now.progress.offer(report, now.heard_s)]
        if isinstance(report, Failed) and report.code == "out_of_memory":
            self._n_out_of_memory += 1
        else:
            self._n_out_of_memory = 0
        is_poisoned = isinstance(report, Failed) and report.code in POISONED
        if is_poisoned or self._n_out_of_memory >= _OUT_OF_MEMORY_IN_A_ROW:
            self._kill_worker()
        return self._end_of_job(report)

    def _end_of_job(self, report: Finished | Failed | Cancelled) -> list[Report]:
        now, self._assignment = self._assignment, None
        return [report] if now is None else [*now.progress.flush(), report]

    def _keep_limits(self) -> None:
        now, now_s, allowed = self._assignment, self._clock(), self._settings
        if now is None:
            if not self._is_ready and now_s >= self._started_s + allowed.worker_start_s:
                self._kill_worker()
            return
        if now.killed or self._worker is None:
            return
        if now_s >= now.heard_s + allowed.worker_stage_s:
            now.timed_out = now.killed = True
            self._worker.kill()
        elif now.terminated_s is not None:
            if now_s >= now.terminated_s + allowed.worker_terminate_s:
                now.killed = True
                self._worker.kill()
        elif now.cancelled_s is not None and now_s >= now.cancelled_s + allowed.worker_cancel_s:
            now.terminated_s = now_s
            self._worker.terminate()

    def _kill_worker(self) -> None:
        """End this process; it is replaced when it has gone, for two may not fit on the GPU."""
        self._is_ready = False
        if self._worker is not None:
            self._worker.kill()

    def _bury(self, worker: WorkerProcess) -> list[Report]:
        """Take leave of a worker that has ended; how its job has ended."""
        with suppress(OSError):
            self.returncode = worker.close(timeout_s=0.5)  # the pipe closes before the exit code
        how = how_it_ended(self.returncode)
        self._is_ready, self._worker = False, None
        self._n_out_of_memory = 0
        self._start_at_s = self._clock()
        now = self._assignment
        job_id = "-" if now is None else now.run.job_id
        self._log.warning("worker ended", job=job_id, device=self.device, how=how)
        if now is None:
            if self._is_wanted and not self._has_loaded:
                self._note_failed_start(self._unfit or how)
            return []
        return self._end_of_job(self._verdict(now, how))

    def _verdict(self, now: Assignment, how: str) -> Cancelled | Failed:
        job_id, stage = now.run.job_id, f" in stage {now.stage}" if now.stage else ""
        if now.timed_out:
            limit = f"{self._settings.worker_stage_s:g} s"
            return Failed(job_id, "timeout", f"no progress for {limit}{stage}: worker replaced")
        if now.cancelled_s is not None:
            return Cancelled(job_id)
        return Failed(job_id, "worker_died", f"the worker {how}{stage}; it was replaced")
