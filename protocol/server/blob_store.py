"""What the server's side of transfers asks of whoever keeps the files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from ..messages.jobs import BlobId

__all__ = ["BlobStore"]


class BlobStore(Protocol):
    """where the files of transfers are kept. The backend's blob store has these methods.

    `user` is the key of a client. A user may have a file that it sent or that a job of its made;
    another's is as good as not there.
    """

    def find(self, blob: BlobId, user: str) -> Path | None:
        """The complete file, or None."""
        ...

    def part(self, blob: BlobId, user: str) -> Path:
        """Where it is collected."""
        ...

    def reserve(self, blob: BlobId, user: str) -> None:
        """Promise room for its part until that is stored or abandoned. Raises DiskFull, Busy."""

    def note_abandoned(self, blob: BlobId, user: str) -> None:
        """Take note that its part is not written any more, and not whole."""

    def final(self, blob: BlobId, user: str) -> Path:
        """What its part is renamed to, in the same file system."""
        ...

    def note_stored(self, blob: BlobId, user: str) -> None:
        """Take note that it was."""
        ...

    def open_for_reading(self, blob: BlobId, user: str) -> int:
        """A descriptor of the complete file, which the caller closes. Raises UnknownBlob."""
        ...

    def is_doubtful(self, blob: BlobId) -> bool:
        """Whether the file's bytes must be hashed before anybody gets them."""
        ...

    def known_good(self, blob: BlobId) -> None:
        """Take note that they were, and are right."""

    def set_aside(self, blob: BlobId, inode: int) -> None:
        """Take note that they are wrong in the file of this number: it is as if it were not there;
        nothing happens when another file has its name by now."""
