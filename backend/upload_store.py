"""The blob store as the protocol's transfers see it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from backend.blobs import BlobStore
    from protocol.jobs import BlobId

__all__ = ["UploadStore"]


class UploadStore:
    """Gives transfers their places in a BlobStore, and takes in what is whole."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    def find(self, blob: BlobId, user: str) -> Path | None:
        """The complete file, or None."""
        return self._blobs.path_of(blob) if self._blobs.has(blob) else None

    def part(self, blob: BlobId, user: str) -> Path:
        """Where it is collected."""
        return self._blobs.partial_path(blob)

    def reserve(self, blob: BlobId, user: str) -> None:
        """Promise room for its part until it is `stored` or `left`. Raises DiskFull."""
        self._blobs.reserve(self.part(blob, user).name, blob.size)

    def left(self, blob: BlobId, user: str) -> None:
        """Take the promise back; what is there of the part stays, and counts until it is old."""
        self._blobs.release(self.part(blob, user).name)

    def final(self, blob: BlobId, user: str) -> Path:
        """What its part is renamed to when it is whole and checked."""
        return self._blobs.partial_path(blob).with_suffix(".whole")

    def stored(self, blob: BlobId, user: str) -> None:
        """Move it into the store."""
        self.left(blob, user)
        self._blobs.adopt(self.final(blob, user), blob)

    def open_for_reading(self, blob: BlobId, user: str) -> int:
        """A descriptor of the complete file; a hash that a user knows is a right to read it.

        Raises UnknownBlob.
        """
        return os.open(self._blobs.path_of(blob), os.O_RDONLY | getattr(os, "O_BINARY", 0))

    def is_doubtful(self, blob: BlobId) -> bool:
        """Whether its bytes must be hashed first."""
        return False

    def known_good(self, blob: BlobId) -> None:
        """Take note that its bytes are right."""

    def set_aside(self, blob: BlobId) -> None:
        """Take note that its bytes are wrong."""
        self._blobs.discard(blob)
