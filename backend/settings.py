"""What an operator may set of the service, and what its clients are told of it."""

from __future__ import annotations

from dataclasses import dataclass, fields

from protocol.messages import Limits

__all__ = ["ServiceSettings"]


@dataclass(frozen=True)
class ServiceSettings:
    """The service's limits. A client is a key; without keys all clients are one.

    Raises ValueError when one is not positive (the times may be 0).
    """

    queued_jobs: int = 200  # of one client that wait
    queue_limit: int = 2000  # of all clients
    open_uploads: int = 16  # of one client
    connections: int = 32  # of one client
    job_pixels: int = 1 << 31  # width x height x frames of what one job makes
    max_attempts: int = 2  # starts of a job, counting those that ended with the server
    kept_s: float = 86_400.0  # an ended job is kept for so long, whatever comes
    kept_jobs: int = 200  # ended jobs of one client that are kept for longer
    kept_jobs_most: int = 5000  # of one client within `kept_s`; then it is told to release some
    kept_jobs_in_all: int = 50_000  # of all clients
    forget_s: float = 30 * 86_400.0  # after which an ended job is forgotten in any case
    quota_bytes: int = 200 << 30  # of all blobs
    upload_share: float = 0.5  # of the free room, for all uploads of one client under way
    client_share: float = 0.75  # of all room, for what one client's jobs and uploads hold
    staging_age_s: float = 7 * 86_400.0  # of a transfer or a file that was not taken up again
    results_retry_s: float = 600.0  # how long storing results is tried before their job fails

    def __post_init__(self) -> None:
        for field in fields(self):
            value, may_be_0 = getattr(self, field.name), field.name.endswith("_s")
            if value < 0 or (value == 0 and not may_be_0):
                raise ValueError(f"{field.name} must be more than 0, not {value}")

    @property
    def blob_bytes(self) -> int:
        """The largest file that a client can send to an empty store."""
        return int(self.quota_bytes * min(self.upload_share, self.client_share))

    def limits(self) -> Limits:
        """What `welcome` tells."""
        return Limits(
            blob_bytes=min(self.blob_bytes, 1 << 44),
            queued_jobs=self.queued_jobs,
            open_uploads=self.open_uploads,
            connections=self.connections,
            job_pixels=self.job_pixels,
            kept_s=int(self.kept_s),
        )
