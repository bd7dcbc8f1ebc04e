"""The job that a worker has now, and how long it may take for what is asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backend.progress import Coalescer
    from backend.worker_messages import Run

__all__ = ["Assignment", "TimeLimits"]


@dataclass(frozen=True)
class TimeLimits:
    """How long a worker may take for what is asked of it."""

    cancel_s: float = 5.0  # to notice a cancel; then SIGTERM
    terminate_s: float = 5.0  # to obey it; then SIGKILL
    stage_s: float = 600.0  # between two reports of progress
    start_s: float = 120.0  # to load its libraries
    restart_s: float = 2.0  # until the next try after one that failed; doubles up to 30 s


@dataclass
class Assignment:
    """The job that the worker has now."""

    run: Run
    progress: Coalescer
    heard_s: float
    stage: str = ""
    is_shown: bool = False  # the worker was told to send preview pictures
    cancelled_s: float | None = None
    terminated_s: float | None = None
    killed: bool = False
    timed_out: bool = False

    def deadline_s(self, limits: TimeLimits) -> float:
        """When something is due, if the worker stays silent."""
        due = [self.progress.deadline_s()]
        if not self.killed:
            due.append(self.heard_s + limits.stage_s)
            if self.terminated_s is not None:
                due.append(self.terminated_s + limits.terminate_s)
            elif self.cancelled_s is not None:
                due.append(self.cancelled_s + limits.cancel_s)
        return min((time_s for time_s in due if time_s is not None), default=float("inf"))
