"""The blob store as the protocol's transfers see it: who may have which file, and how much."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from backend.journal.holdings import owner_of, tag_of
from backend.store.disk import disk_full
from protocol.errors import Busy, DiskFull, UnknownBlob

if TYPE_CHECKING:
    from pathlib import Path

    from backend.journal.holdings import Holdings
    from backend.settings import ServerSettings
    from backend.store.blobs import BlobStore
    from protocol.messages.jobs import BlobId

__all__ = ["UploadStore"]

_MOST_PARTS = 256  # of one client's interrupted transfers
_RESUMED_S = 3600.0  # a part that was not written for so long makes room for a new one


class UploadStore:
    """Gives transfers their places in a BlobStore, and takes in what is whole.

    `user` is a connection's key. All methods belong to the service's thread; the hashing that
    `is_doubtful` asks for does not.
    """

    def __init__(self, blobs: BlobStore, holdings: Holdings, settings: ServerSettings) -> None:
        self._blobs = blobs
        self._holdings = holdings
        self._settings = settings

    def find(self, blob: BlobId, user: str) -> Path | None:
        """The complete file, or None; also None when somebody else has sent it."""
        # What is known without asking the journal or the disk comes first (H7).
        if not self._blobs.has(blob) or not self._holdings.may_use(owner_of(user), blob):
            return None
        with suppress(UnknownBlob):
            return self._blobs.path_of(blob)
        return None

    def part(self, blob: BlobId, user: str) -> Path:
        """Where it is collected: every user has its own, which nobody else can spoil."""
        return self._blobs.partial_path(blob, tag_of(owner_of(user)))

    def reserve(self, blob: BlobId, user: str) -> None:
        """Promise room for its part within the user's share, until that is stored or abandoned.

        Raises DiskFull with need and have, and Busy for one part too many; nothing was removed
        for it then.
        """
        name, owner = self.part(blob, user).name, owner_of(user)
        crowded = self._crowded(name, tag_of(owner))
        have = self._share(name, owner, self._blobs.room_bytes(name))
        if blob.size > have:
            have = self._share(name, owner, self._blobs.room_to_make(name))
        if blob.size > have:
            raise disk_full(blob.size, have, "this file within your share")
        self._blobs.reserve(name, blob.size, owner=tag_of(owner))
        for part in crowded:
            self._blobs.staged.remove(part)

    def note_abandoned(self, blob: BlobId, user: str) -> None:
        """Take the promise back; what is there of the part stays, and counts until it is old."""
        self._blobs.release(self.part(blob, user).name)

    def final(self, blob: BlobId, user: str) -> Path:
        """What its part is renamed to when it is whole and checked."""
        return self.part(blob, user).with_suffix(".whole")

    def note_stored(self, blob: BlobId, user: str) -> None:
        """Move it into the store, and give the user the right to it. Raises DiskFull."""
        # The right first: without it the file would be nobody's after a crash here.
        self._holdings.grant(owner_of(user), blob)
        self._blobs.adopt(self.final(blob, user), blob)
        self.note_abandoned(blob, user)

    def open_for_reading(self, blob: BlobId, user: str) -> int:
        """A descriptor of the complete file. Raises UnknownBlob, OSError, and nothing else: a
        download is begun far from whoever answers other errors."""
        try:
            found = self.find(blob, user)
        except (Busy, DiskFull, sqlite3.Error) as error:
            raise OSError(errno.EIO, "the server's journal or data folder is not there") from error
        if found is None:
            raise UnknownBlob(f"there is no blob {blob.sha256}", sha256=blob.sha256)
        descriptor = os.open(found, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        with suppress(
            Busy, DiskFull, sqlite3.Error
        ):  # it only costs the job its place among the last to go
            self._holdings.note_fetched(owner_of(user), blob.sha256)
        return descriptor

    def is_doubtful(self, blob: BlobId) -> bool:
        """Whether a file must be hashed before its first byte is sent: by `known_good` or
        `set_aside` this store wants to be told what came out."""
        return self._blobs.is_doubtful(blob)

    def known_good(self, blob: BlobId) -> None:
        """Take note that a file was hashed and is right."""
        self._blobs.known_good(blob)

    def set_aside(self, blob: BlobId, inode: int) -> None:
        """Take a damaged file out of the store: it is lacking then, and can be sent again. Another
        that has come under its name since stays."""
        with suppress(UnknownBlob):
            if self._blobs.path_of(blob).stat().st_ino == inode:
                self._blobs.set_aside(blob)

    def _crowded(self, name: str, tag: str) -> list[str]:
        """Parts of a client that must go before it may begin one more (H6): its oldest, when
        nobody has gone on with them for long. Raises Busy."""
        if self._blobs.staged.taken_bytes(name):  # it goes on with one
            return []
        parts = self._blobs.staged.parts_of(tag, except_for=name)
        surplus = parts[: max(0, len(parts) + 1 - _MOST_PARTS)]
        if any(time.time() - written_s < _RESUMED_S for _, written_s in surplus):
            raise Busy(
                f"{_MOST_PARTS} files of yours were begun and are not whole: go on with some of "
                "them, or try again later",
                limit=_MOST_PARTS,
            )
        return [part for part, _ in surplus]

    def _share(self, name: str, owner: str, room_bytes: int) -> int:
        """What one more file of a client may have of the room, so that others have some, too."""
        under_way = self._blobs.staged.promised_to(tag_of(owner), except_for=name)
        free_share = int((room_bytes + under_way) * self._settings.upload_share)
        share = int(self._blobs.capacity_bytes * self._settings.client_share)
        return max(0, min(free_share, share - self._holdings.held_bytes(owner)) - under_way)
