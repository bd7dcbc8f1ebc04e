"""What the job service is told at its start, and what it tells of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from protocol.jobs import DepthFiles, Generate

if TYPE_CHECKING:
    from backend.executors.base import WorkerState
    from protocol.jobs import BlobId, Job

__all__ = ["ServiceSettings", "ServiceStatus", "WorkerStatus", "inputs_of"]


@dataclass(frozen=True)
class ServiceSettings:
    """The service's limits."""

    queue_limit: int = 1000  # jobs that wait
    max_attempts: int = 2  # starts of a job, counting those that ended with the server
    keep_finished: int = 200  # jobs that have ended and were not released; the oldest go
    quota_bytes: int = 200 << 30  # of all blobs
    staging_age_s: float = 7 * 86400.0  # of a transfer that was not taken up again


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
    notices: tuple[str, ...]  # of the start
    workers: tuple[WorkerStatus, ...]


def inputs_of(job: Job) -> tuple[BlobId, ...]:
    """The blobs that a job reads."""
    if isinstance(job, Generate):
        given = (job.color, job.mask, job.backdrop)
        return tuple(blob for blob in given if blob is not None)
    depth = job.source.depth
    return job.source.clip, *(depth.blobs if isinstance(depth, DepthFiles) else ())
