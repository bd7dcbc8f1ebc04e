"""What the job service tells of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backend.executors.base import WorkerState

__all__ = ["ServiceStatus", "WorkerStatus"]


@dataclass(frozen=True)
class WorkerStatus:
    """One worker."""

    device: str
    state: WorkerState
    pid: int | None
    job_id: str  # "" for none
    problem: str  # why it is unhealthy


@dataclass(frozen=True)
class ServiceStatus:
    """The whole service."""

    queued: int
    running: int
    accepting: bool
    stored_bytes: int
    free_bytes: int
    kept: int  # jobs that have ended and are not forgotten
    notices: tuple[str, ...]  # of the start, and what is wrong now
    workers: tuple[WorkerStatus, ...]
