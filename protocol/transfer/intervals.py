"""Sets of byte ranges."""

from __future__ import annotations

__all__ = ["Intervals"]


class Intervals:
    """Half-open ranges that do not touch, in order."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return len(self._ranges)

    @property
    def n_bytes(self) -> int:
        """Bytes in all of them."""
        return sum(last - first for first, last in self._ranges)

    def add(self, begin: int, end: int) -> None:
        """Add a range; it may overlap others."""
        kept = []
        for first, last in self._ranges:
            if last < begin or first > end:
                kept.append((first, last))
            else:
                begin, end = min(begin, first), max(end, last)
        self._ranges = sorted([*kept, (begin, end)])

    def missing(self, begin: int, end: int) -> list[tuple[int, int]]:
        """The parts of a range that are not in the set."""
        gaps = []
        for first, last in self._ranges:
            if first >= end:
                break
            if last <= begin:
                continue
            if first > begin:
                gaps.append((begin, first))
            begin = max(begin, last)
        if begin < end:
            gaps.append((begin, end))
        return gaps

    def take_from(self, begin: int) -> int:
        """Remove what lies before or goes on from `begin`; return where that ends."""
        while self._ranges and self._ranges[0][0] <= begin:
            begin = max(begin, self._ranges.pop(0)[1])
        return begin
