"""Time that passes when the test says so."""

from __future__ import annotations

__all__ = ["FakeClock"]


class FakeClock:
    """Called, gives the time in seconds, as time.monotonic does."""

    def __init__(self, now_s: float = 0.0) -> None:
        self._now_s = now_s

    def __call__(self) -> float:
        return self._now_s

    def advance(self, seconds: float) -> None:
        """Let time pass. Raises ValueError for a step back: monotonic time has none."""
        if seconds < 0:
            raise ValueError(f"{seconds} s would be back in time")
        self._now_s += seconds
