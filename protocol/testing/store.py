"""The smallest blob store: a folder of files named by their hash."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ..errors import UnknownBlob
from ..transfer import blob_of

if TYPE_CHECKING:
    from pathlib import Path

    from ..messages.jobs import BlobId

__all__ = ["FolderStore"]


class FolderStore:
    """Keeps blobs in `root`/blobs and parts in `root`/staging."""

    def __init__(self, root: Path) -> None:
        self.blobs = root / "blobs"
        self.staging = root / "staging"
        self.blobs.mkdir(parents=True, exist_ok=True)
        self.staging.mkdir(exist_ok=True)

    def add(self, content: bytes) -> BlobId:
        """Put a file in, as a job's result."""
        temporary = self.staging / "added"
        temporary.write_bytes(content)
        blob = blob_of(temporary)
        temporary.replace(self.final(blob))
        return blob

    def find(self, blob: BlobId, user: str = "") -> Path | None:
        """The complete file, or None."""
        path = self.final(blob)
        return path if path.exists() and path.stat().st_size == blob.size else None

    def part(self, blob: BlobId, user: str = "") -> Path:
        """Where it is collected."""
        return self.staging / f"{blob.sha256}.part"

    def reserve(self, blob: BlobId, user: str = "") -> None:
        """Nothing to promise: there is no quota."""

    def note_abandoned(self, blob: BlobId, user: str = "") -> None:
        """Nothing to note."""

    def final(self, blob: BlobId, user: str = "") -> Path:
        """Where it lies when it is complete."""
        return self.blobs / blob.sha256

    def note_stored(self, blob: BlobId, user: str = "") -> None:
        """Nothing to note: the folder is the list."""

    def open_for_reading(self, blob: BlobId, user: str) -> int:
        """A descriptor of the file, for every user. Raises UnknownBlob."""
        path = self.find(blob, user)
        if path is None:
            raise UnknownBlob("The server does not have this file.", sha256=blob.sha256)
        return os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))

    def is_doubtful(self, blob: BlobId) -> bool:
        """Nobody else writes here."""
        return False

    def known_good(self, blob: BlobId) -> None:
        """Nothing to note."""

    def set_aside(self, blob: BlobId, inode: int) -> None:
        """Remove it."""
        path = self.final(blob)
        if path.exists() and path.stat().st_ino == inode:
            path.unlink()
