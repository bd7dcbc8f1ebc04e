"""What the server asks of a worker, wherever that runs; the manner is subprocess.Popen's."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backend.worker.messages import Report, Run

__all__ = ["Executor", "WorkerState"]


class WorkerState(StrEnum):
    """What a worker can be asked for. UNHEALTHY: it cannot be started now and is tried again."""

    STOPPED = "stopped"
    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    UNHEALTHY = "unhealthy"


class Executor(Protocol):
    """One worker on one device: it does one job at a time and is replaced when it dies.

    No method waits, except `close`. For every job that `send` took, `poll` gives exactly one of
    Finished, Failed and Cancelled, whatever happens to the worker.
    """

    device: str

    @property
    def state(self) -> WorkerState: ...
    @property
    def problem(self) -> str: ...  # why it is unhealthy
    @property
    def pid(self) -> int | None: ...  # of the worker now
    @property
    def returncode(self) -> int | None: ...  # of the last worker that ended; -N: by signal N

    def start(self) -> None:
        """Start the worker."""

    def send(self, run: Run) -> None:
        """Give the worker a job; only while it is READY."""

    def cancel(self, job_id: str) -> None:
        """Ask for the end of a job, first nicely, then by force; of another job: nothing."""

    def show(self, job_id: str, *, wanted: bool) -> None:
        """Have preview pictures of a job sent or not; of another job: nothing."""

    def poll(self) -> list[Report]:
        """Take in what has come, keep the time limits, and replace a worker that died."""
        ...

    def filenos(self) -> Sequence[int]:
        """Descriptors that are readable when `poll` has something to do."""
        ...

    def deadline_s(self) -> float | None:
        """When `poll` must be called even if nothing is readable, on the executor's clock."""
        ...

    def terminate(self) -> None:
        """Stop the worker with SIGTERM; its job ends as cancelled. It is not replaced."""

    def kill(self) -> None:
        """The same with SIGKILL."""

    def close(self, timeout_s: float) -> None:
        """End the worker within this time and let everything go."""
