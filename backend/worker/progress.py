"""Progress made rare enough for a journal and a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from backend.worker.messages import Progressed

__all__ = ["Coalescer"]

_INTERVAL_S = 0.1


class Coalescer:
    """Lets a report of one job through ten times a second.

    A new stage passes at once, with the last report of the stage before it; the last report of all
    comes out of `flush`, or out of `due` when its time has come.
    """

    def __init__(self, interval_s: float = _INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._stage: str | None = None
        self._held: Progressed | None = None
        self._next_s = 0.0

    def offer(self, report: Progressed, now_s: float) -> list[Progressed]:
        """Take a report in and return those that are to be passed on now."""
        if report.stage != self._stage:
            self._stage = report.stage
            return [*self.flush(), *self._passed(report, now_s)]
        if now_s >= self._next_s or report.done == report.total:
            self._held = None
            return self._passed(report, now_s)
        self._held = report
        return []

    def due(self, now_s: float) -> list[Progressed]:
        """Return the report that was held back, when its time has come."""
        if self._held is None or now_s < self._next_s:
            return []
        return self._passed(self._held, now_s)

    def flush(self) -> list[Progressed]:
        """Return the report that was held back, if any."""
        held, self._held = self._held, None
        return [] if held is None else [held]

    def deadline_s(self) -> float | None:
        """When `due` will have something, on the clock of `now_s`."""
        return None if self._held is None else self._next_s

    def _passed(self, report: Progressed, now_s: float) -> list[Progressed]:
        self._held = None
        self._next_s = now_s + self._interval_s
        return [report]
