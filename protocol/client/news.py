"""What a BackgroundClient tells its owner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from ..errors import ProtocolError
    from ..messages import Event, Preview, Status, Welcome
    from ..messages.jobs import BlobId, JobInfo

__all__ = [
    "Connected",
    "Disconnected",
    "Done",
    "Failed",
    "JobChanged",
    "News",
    "Previewed",
    "Progress",
]


@dataclass(frozen=True)
class Connected:
    """There is a connection; what the server said of itself."""

    welcome: Welcome


@dataclass(frozen=True)
class Disconnected:
    """There is none. `retry_s` until the next attempt; None: settings must be mended first."""

    error: ProtocolError
    retry_s: float | None


@dataclass(frozen=True)
class Done:
    """A command succeeded; `value` is what the method of Client returns."""

    token: int
    value: JobInfo | list[JobInfo] | Status | BlobId | Path | float


@dataclass(frozen=True)
class Failed:
    """A command failed."""

    token: int
    error: Exception


@dataclass(frozen=True)
class Progress:
    """Bytes of an upload or download, at most ten times a second and once at the end."""

    token: int
    done: int
    total: int


@dataclass(frozen=True)
class JobChanged:
    """An event of a job that `watch` asked for."""

    event: Event


@dataclass(frozen=True)
class Previewed:
    """A picture of what a job that `watch` asked for has made by now: `frames` of equal width side
    by side, as a JPEG of `width` x `height`."""

    job_id: str
    width: int
    height: int
    frames: int
    data: bytes

    @classmethod
    def of(cls, preview: Preview) -> Previewed:
        """The news of a message."""
        return cls(preview.job_id, preview.width, preview.height, preview.frames, preview.data)


News = Connected | Disconnected | Done | Failed | Progress | JobChanged | Previewed
