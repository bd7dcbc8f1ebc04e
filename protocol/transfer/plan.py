"""Which ranges to ask for next."""

from __future__ import annotations

from collections import deque

__all__ = ["FetchPlan"]


class FetchPlan:
    """Asks ahead for the rest of a file, never more under way than the window."""

    def __init__(self, offset: int, size: int, chunk_bytes: int) -> None:
        self._next = offset
        self._size = size
        self._chunk_bytes = chunk_bytes
        self._again: deque[tuple[int, int]] = deque()
        self._open: dict[int, tuple[int, int]] = {}  # request -> offset, size
        self.under_way = 0  # bytes

    def next(self, number: int, window_bytes: int) -> tuple[int, int] | None:
        """The offset and size to ask for with request `number`; None: wait."""
        if self._open and self.under_way + self._chunk_bytes > window_bytes:
            return None
        if self._again:
            offset, size = self._again.popleft()
        elif self._next < self._size:
            offset, size = self._next, min(self._chunk_bytes, self._size - self._next)
            self._next += size
        else:
            return None
        self._open[number] = offset, size
        self.under_way += size
        return offset, size

    def is_open(self, number: int) -> bool:
        """Whether this request was made and is not answered."""
        return number in self._open

    def arrived(self, number: int, offset: int, size: int) -> bool:
        """Whether this answers an open request; it is open no longer then."""
        if self._open.get(number) != (offset, size):
            return False
        del self._open[number]
        self.under_way -= size
        return True

    def ask_again(self, offset: int, size: int) -> None:
        """Put a damaged range back."""
        self._again.append((offset, size))
