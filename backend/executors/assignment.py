"""The job that a worker has now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backend.settings import ServerSettings
    from backend.worker.messages import Run
    from backend.worker.progress import Coalescer

__all__ = ["Assignment"]


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

    def deadline_s(self, settings: ServerSettings) -> float:
        """When something is due, if the worker stays silent."""
        due = [self.progress.deadline_s()]
        if not self.killed:
            due.append(self.heard_s + settings.worker_stage_s)
            if self.terminated_s is not None:
                due.append(self.terminated_s + settings.worker_terminate_s)
            elif self.cancelled_s is not None:
                due.append(self.cancelled_s + settings.worker_cancel_s)
        return min((time_s for time_s in due if time_s is not None), default=float("inf"))
