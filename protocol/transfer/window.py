"""How many bytes may be under way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..limits import WINDOW_BYTES_FIRST, WINDOW_BYTES_MOST

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Window"]

_PAYS = 1.25  # a wider window must have made it this much faster


class Window:
    """A byte window that doubles for as long as that makes the transfer faster.

    The rate is taken over each window's worth of verified bytes. It grows after the first, and
    after each whose rate is 1.25 times that of the one before; the first that did not pay ends
    the growth, so that a slow link never holds more than it needs (T1, T7).
    """

    def __init__(
        self,
        clock: Callable[[], float],
        first: int = WINDOW_BYTES_FIRST,
        most: int = WINDOW_BYTES_MOST,
    ) -> None:
        self.size = min(first, most)
        self._most = most
        self._clock = clock
        self._bytes = 0
        self._began_s = clock()
        self._rate = 0.0
        self._grows = True

    def verified(self, n_bytes: int) -> None:
        """Count bytes that arrived."""
        self._bytes += n_bytes
        if not self._grows or self._bytes < self.size:
            return
        now_s = self._clock()
        rate = self._bytes / max(now_s - self._began_s, 1e-6)
        self._grows = rate >= _PAYS * self._rate and self.size < self._most
        if self._grows:
            self.size = min(2 * self.size, self._most)
        self._rate = rate
        self._bytes = 0
        self._began_s = now_s
