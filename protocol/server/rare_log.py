"""A log that a flood cannot fill: a few lines of each kind, then their count."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["RareLog"]

_KINDS = 256  # that are counted apart; those beyond share one count
_OTHERS = "anything else"


@dataclass
class _Count:
    """What was written and held back of one kind since `began_s`."""

    began_s: float
    level: int
    written: int = 0
    held: int = 0


class RareLog:
    """Writes the first `burst` lines of a kind within `every_s`; the others are counted, and the
    count is written once that time is over, by the next line of any kind or by `flush`.

    A kind is a few words of the caller's own, such as "refused keys": never what a peer sent.
    """

    def __init__(
        self,
        log: logging.Logger,
        *,
        burst: int = 4,
        every_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._burst = burst
        self._every_s = every_s
        self._clock = clock
        self._counts: dict[str, _Count] = {}

    def info(self, kind: str, text: str, *values: object) -> None:
        """Write, or count, what happened as it should."""
        self._write(logging.INFO, kind, text, values)

    def warning(
        self, kind: str, text: str, *values: object, error: BaseException | None = None
    ) -> None:
        """Write, or count, what somebody should look at; with `error`, where it came from."""
        self._write(logging.WARNING, kind, text, values, error)

    def flush(self, *, now: bool = False) -> None:
        """Write the counts whose time is over; with `now`, all of them."""
        now_s = self._clock()
        for kind, count in list(self._counts.items()):
            if now or now_s - count.began_s >= self._every_s:
                del self._counts[kind]
                if count.held:
                    took_s = now_s - count.began_s
                    self._log.log(count.level, "%s: %d more in %.0f s", kind, count.held, took_s)

    def _write(
        self,
        level: int,
        kind: str,
        text: str,
        values: tuple[object, ...],
        error: BaseException | None = None,
    ) -> None:
        self.flush()
        if kind not in self._counts and len(self._counts) >= _KINDS:
            kind = _OTHERS
        count = self._counts.setdefault(kind, _Count(self._clock(), level))
        if count.written >= self._burst:
            count.held += 1
            return
        count.written += 1
        self._log.log(level, text, *values, exc_info=error)
