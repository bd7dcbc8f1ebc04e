"""One piece of work on a thread of its own, which the main thread may look at and stop."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["WorkThread"]


class _Stopped(Exception):
    """Ends the work at its next report of progress."""


class WorkThread:
    """Runs at once. A daemon: Blender's exit does not wait for it."""

    def __init__(self, run: Callable[[Callable[[int, int], None]], Any]) -> None:
        self.done, self.total = 0, 0
        self.value: Any = None
        self.error: Exception | None = None
        self._run = run
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._work, name="EX-4D work", daemon=True)
        self._thread.start()

    @property
    def over(self) -> bool:
        """Whether `value` or `error` are final."""
        return not self._thread.is_alive()

    def stop(self, timeout_s: float = 0.0) -> None:
        """Have it end at its next report of progress, and wait for that as long as allowed."""
        self._stopping.set()
        self._thread.join(timeout_s)

    def _work(self) -> None:
        try:
            self.value = self._run(self._progress)
        except Exception as error:  # handed to the flow, which tells the artist
            self.error = error

    def _progress(self, done: int, total: int) -> None:
        if self._stopping.is_set():
            raise _Stopped
        self.done, self.total = done, total
