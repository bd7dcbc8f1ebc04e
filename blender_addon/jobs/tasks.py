"""A request under way, as the panel shows it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...protocol.client.news import Previewed
    from .requests import Request

__all__ = ["OVER", "Task", "TaskState", "fold_tasks", "folded_words"]


class TaskState(Enum):
    """How far a request is."""

    WAITING = "waiting for the server"
    ACTIVE = "active"
    HELD = "held"  # finished, but there is no place for it now
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


OVER = frozenset({TaskState.DONE, TaskState.FAILED, TaskState.CANCELLED})


@dataclass
class Task:
    """What is known of a request; changed by the runner only."""

    request: Request
    state: TaskState = TaskState.WAITING
    stage: str = ""
    done: int = 0
    total: int = 0
    text: str = ""  # why it failed or is held, or what to know about its result
    job_id: str = ""
    cancelling: bool = False
    preview: Previewed | None = None  # what its job has made by now
    away: bool = False  # the server does not answer, so nothing is known of its progress
    stage_began_s: float = 0.0  # monotonic
    stage_began_at: int = 0  # `done` at that time

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in OVER

    @property
    def fraction(self) -> float:
        """How much of its stage is done, 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    def left_s(self, now_s: float) -> float | None:
        """Seconds until the stage's end if it goes on as it has; None: not known yet."""
        steps = self.done - self.stage_began_at
        elapsed_s = now_s - self.stage_began_s
        if steps <= 0 or elapsed_s < 1 or self.done >= self.total:
            return None
        return elapsed_s * (self.total - self.done) / steps

    def enter(self, stage: str, now_s: float, done: int = 0, total: int = 0) -> None:
        """Take note of progress; a new stage begins its own clock."""
        if stage != self.stage or done < self.done:
            self.stage_began_s, self.stage_began_at = now_s, done
        self.stage, self.done, self.total = stage, done, total


def fold_tasks(tasks: Iterable[Task], scene_id: str) -> tuple[list[Task], list[Task]]:
    """Those that a scene's panel shows, oldest first, and those that one line tells: over, and of
    another scene or file, or before the scene's newest that is over."""
    shown: list[Task] = []
    folded: list[Task] = []
    has_newest = False
    for task in reversed(list(tasks)):
        is_own = task.request.scene_id == scene_id
        is_past = task.over and (has_newest or not is_own)
        has_newest |= task.over and is_own
        (folded if is_past else shown).append(task)
    return shown[::-1], folded[::-1]


def folded_words(folded: Iterable[Task], scene_id: str) -> str:
    """What the line says: 2 finished before, 3 in other scenes."""
    own = [task.request.scene_id == scene_id for task in folded]
    before, others = sum(own), len(own) - sum(own)
    words = [f"{before} finished before"] if before else []
    if others:
        words.append(
            f"{others} in other scenes" if before else f"{others} finished in other scenes"
        )
    return ", ".join(words)
