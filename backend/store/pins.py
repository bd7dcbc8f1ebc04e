"""Which files jobs need, and how much."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend.store.eviction import Hold

if TYPE_CHECKING:
    from collections.abc import Iterable

    from protocol.messages.jobs import BlobId

__all__ = ["Pins"]


class Pins:
    """Files that holders, which are jobs, have pinned."""

    def __init__(self) -> None:
        self._of: dict[str, frozenset[str]] = {}  # hashes of each holder
        self._holders: dict[str, dict[str, Hold]] = {}  # of each hash

    def pin(self, holder: str, blobs: Iterable[BlobId], hold: Hold = Hold.FIRM) -> None:
        """Keep blobs until `unpin`, instead of those that the holder has pinned before."""
        pinned = frozenset(blob.sha256 for blob in blobs)
        self.unpin(holder)
        for sha256 in pinned:
            self._holders.setdefault(sha256, {})[holder] = hold
        if pinned:
            self._of[holder] = pinned

    def unpin(self, holder: str) -> None:
        """Let a holder's blobs go. Never fails."""
        for sha256 in self._of.pop(holder, ()):
            holders = self._holders[sha256]
            del holders[holder]
            if not holders:
                del self._holders[sha256]

    def hold_of(self, sha256: str) -> Hold:
        """How much a file is needed by the holder that needs it most."""
        return max(self._holders.get(sha256, {}).values(), default=Hold.NOT)

    def holders_of(self, sha256: str) -> frozenset[str]:
        """Who has pinned a file."""
        return frozenset(self._holders.get(sha256, ()))
