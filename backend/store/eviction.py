"""Which files go first when there is no room."""

from __future__ import annotations

from collections import deque
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Candidate", "Hold", "eviction_order"]


class Hold(IntEnum):
    """How much a file is needed, by the job that needs it most."""

    NOT = 0  # by no job: sent for one that may come
    FETCHED = 1  # a result that was fetched, of a job that was kept for as long as was promised
    RESULT = 2  # the same, but nobody has fetched it yet
    FIRM = 3  # by a job that has not ended, or a result within the time that was promised


class Candidate(NamedTuple):
    """A file that may go."""

    name: str
    hold: Hold
    is_part: bool  # what an interrupted transfer has left
    used_s: float
    size: int
    owners: frozenset[str]


def eviction_order(
    candidates: Iterable[Candidate], used_bytes: Mapping[str, int]
) -> Iterator[Candidate]:
    """Give candidates in the order in which they go; the caller stops when it has room.

    Those less needed first; among them, those of the owner who uses most at that moment; of one
    owner, files before what is left of transfers, and the oldest first. A file of several owners
    counts as that of the one who uses least, and one without an owner goes before all others.
    """
    used = dict(used_bytes)
    holds: dict[Hold, list[Candidate]] = {}
    for candidate in candidates:
        holds.setdefault(candidate.hold, []).append(candidate)
    for hold in sorted(holds):
        piles: dict[str, deque[Candidate]] = {}
        for candidate in sorted(holds[hold], key=lambda c: (c.is_part, c.used_s)):
            owner = min(candidate.owners, key=lambda o: (used.get(o, 0), o), default="")
            piles.setdefault(owner, deque()).append(candidate)
        while piles:
            owner = max(piles, key=lambda o: (o == "", used.get(o, 0), o))
            candidate = piles[owner].popleft()
            if not piles[owner]:
                del piles[owner]
            for each in candidate.owners:
                used[each] = used.get(each, 0) - candidate.size
            yield candidate
