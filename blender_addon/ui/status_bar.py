"""What has just come in, said for a while in Blender's status bar."""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy

from ..jobs.tasks import TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..jobs.tasks import Task

__all__ = ["StatusBar"]

_SHOWN_S = 8.0


class StatusBar:
    """Says of each request once that it is done. Belongs to the main thread."""

    def __init__(self) -> None:
        self.text = ""
        self._until_s = 0.0
        self._told: set[str] = set()

    def follow(self, tasks: Iterable[Task], now_s: float) -> None:
        """Show what has become done since the last time, and take old words away."""
        for task in tasks:
            if task.state is TaskState.DONE and task.request.key not in self._told:
                self._told.add(task.request.key)
                self._show(f"EX-4D: {task.request.label} is here.")
                self._until_s = now_s + _SHOWN_S
        if self.text and now_s >= self._until_s:
            self.clear()

    def clear(self) -> None:
        """Give the status bar back to Blender, where words of ours stand in it."""
        if self.text:
            self._show("")

    def _show(self, text: str) -> None:
        self.text = text
        for workspace in bpy.data.workspaces:
            workspace.status_text_set(text or None)
