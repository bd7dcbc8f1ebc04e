"""The blob store: files named by their hash, in `<root>/blobs/ab/cdef...`.

A file is written in `<root>/staging` and renamed when all of it is on disk, so what has a blob's
name is whole. One thread uses the store; the journal's lock keeps other servers out.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING

from backend.checkpoints import Checkpoint, no_checkpoint
from backend.disk import allocate, as_disk_full, disk_full, free_bytes, sync_folder
from backend.staging import TEMPORARY, Staging
from protocol.errors import ChecksumMismatch, UnknownBlob
from protocol.jobs import BlobId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from types import TracebackType

__all__ = ["BlobStore", "BlobWriter", "hash_file"]

_BLOCK = 1 << 20
_SPARE_BYTES = 64 << 20  # of the disk, left to the journal and to everybody else


def hash_file(path: Path) -> BlobId:
    """Read a file and return its hash and size."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return BlobId(digest.hexdigest(), size)


class BlobStore:
    """The blobs of one folder, at most `quota_bytes` of them.

    `allocate_file` takes room from the disk and `free_space` tells what is left; tests give their
    own. The files' times tell which blob was used last, also after a restart.
    """

    def __init__(
        self,
        root: Path,
        *,
        quota_bytes: int = 200 << 30,
        checkpoint: Checkpoint = no_checkpoint,
        allocate_file: Callable[[int, int], None] = allocate,
        free_space: Callable[[Path], int] = free_bytes,
    ) -> None:
        self.quota_bytes = quota_bytes
        self._root = root
        self._checkpoint = checkpoint
        self.allocate_file = allocate_file
        self._free_space = free_space
        self._sizes: OrderedDict[str, int] = OrderedDict()  # of each hash, last used last
        self._pins: dict[str, frozenset[str]] = {}  # of each job
        self._n_pins: Counter[str] = Counter()  # of each hash
        (root / "blobs").mkdir(parents=True, exist_ok=True, mode=0o700)
        self._staged = Staging(root / "staging")
        self.staging = self._staged.folder
        self._find_blobs()

    @property
    def used_bytes(self) -> int:
        """Bytes of all blobs."""
        return sum(self._sizes.values())

    @property
    def reserved_bytes(self) -> int:
        """Bytes promised to what is still being written."""
        return self._staged.promised_bytes

    def room_bytes(self, holder: str = "") -> int:
        """Bytes that could be stored now, by the quota and by the disk; what the holder's file has
        taken already is room for it."""
        return max(0, self._room(holder))

    def has(self, blob: BlobId) -> bool:
        """Whether the store holds a blob of this hash and size."""
        return self._sizes.get(blob.sha256) == blob.size

    def path_of(self, blob: BlobId) -> Path:
        """Where a blob lies; it counts as used now. Raises UnknownBlob."""
        if not self.has(blob):
            raise UnknownBlob(f"there is no blob {blob.sha256}", sha256=blob.sha256)
        path = self._path(blob.sha256)
        self._sizes.move_to_end(blob.sha256)
        with suppress(OSError):
            os.utime(path)
        return path

    def reserve(self, holder: str, size_bytes: int, *, is_written: bool = False) -> None:
        """Promise room for a staged file until `release`, and remove old blobs to make it, then
        what interrupted transfers have left. `holder` is the file's name in the staging folder;
        `is_written`: its bytes lie on this disk already, and only the quota is asked.

        Raises DiskFull with need and have; what is pinned stays. Again for the same holder, the
        new size counts.
        """
        self.release(holder)
        room = self._room_in_quota if is_written else self._room
        self.collect(self.used_bytes + room(holder) - size_bytes)
        self._staged.make_room(size_bytes - room(holder), except_for=holder)
        if size_bytes > room(holder):
            raise disk_full(size_bytes, max(0, room(holder)), "a file")
        self._staged.promise(holder, size_bytes, is_written=is_written)

    def release(self, holder: str) -> None:
        """Take a promise back, or forget it because the bytes are there. Never fails."""
        self._staged.release(holder)

    def partial_path(self, blob: BlobId) -> Path:
        """Where a transfer that can be resumed collects a blob; `adopt` it when it is whole."""
        return self.staging / f"{blob.sha256}-{blob.size}.part"

    def writer(self, size_bytes: int) -> BlobWriter:
        """Begin a blob of at most so many bytes. Raises DiskFull before the first of them."""
        return BlobWriter(self, size_bytes)

    def adopt(self, path: Path, blob: BlobId | None = None) -> BlobId:
        """Move a file on the same disk into the store and return its name there.

        With `blob` given the caller has hashed the file and synced it to disk; only the size is
        looked at again. What the store has already is not stored twice: the file is removed.
        Raises ChecksumMismatch when the size differs; DiskFull.
        """
        if blob is None:
            with path.open("rb+") as file:
                os.fsync(file.fileno())
            blob = hash_file(path)
        if path.stat().st_size != blob.size:
            raise ChecksumMismatch(
                f"a file has {path.stat().st_size} bytes, {blob.size} were announced",
                sha256=blob.sha256,
            )
        if self.has(blob):
            path.unlink()
            self.path_of(blob)
            return blob
        with as_disk_full(self._root, blob.size):
            target = self._path(blob.sha256)
            target.parent.mkdir(exist_ok=True, mode=0o700)
            self._checkpoint("before_rename")
            os.replace(path, target)
            self._checkpoint("after_rename")
            sync_folder(target.parent)
        self._sizes[blob.sha256] = blob.size
        self._sizes.move_to_end(blob.sha256)
        return blob

    def pin(self, holder: str, blobs: Iterable[BlobId]) -> None:
        """Keep blobs until `unpin`, instead of those that the holder has pinned before."""
        pinned = frozenset(blob.sha256 for blob in blobs)
        self._n_pins.update(pinned)
        self.unpin(holder)
        self._pins[holder] = pinned

    def unpin(self, holder: str) -> None:
        """Let a holder's blobs go. Never fails."""
        for sha256 in self._pins.pop(holder, ()):
            self._n_pins[sha256] -= 1
            if not self._n_pins[sha256]:
                del self._n_pins[sha256]

    def discard(self, blob: BlobId) -> bool:
        """Remove a blob that nobody has pinned; returns whether it is gone."""
        if self._n_pins[blob.sha256] or not self.has(blob):
            return False
        return self._remove(blob.sha256)

    def collect(self, target_bytes: int = 0) -> int:
        """Remove unpinned blobs, those unused for longest first, until at most `target_bytes` are
        left. Returns the bytes that were freed."""
        used = before = self.used_bytes
        for sha256, size in list(self._sizes.items()):
            if used <= target_bytes:
                break
            if not self._n_pins[sha256] and self._remove(sha256):
                used -= size
        return before - used

    def clean_staging(self, older_than_s: float, *, now_s: float | None = None) -> list[Path]:
        """Remove what dead transfers have left and not written for so long. Returns it."""
        return self._staged.clean(older_than_s, now_s=now_s)

    def _room(self, holder: str) -> int:
        """Less than nothing when there is more than allowed."""
        return min(self._room_in_quota(holder), self._room_on_disk(holder))

    def _room_in_quota(self, holder: str) -> int:
        staged = self._staged.promised_bytes + self._staged.left_bytes(except_for=holder)
        return self.quota_bytes - self.used_bytes - staged

    def _room_on_disk(self, holder: str) -> int:
        free = self._free_space(self._root) + self._staged.taken_bytes(holder)
        return free - self._staged.pending_bytes() - _SPARE_BYTES

    def _path(self, sha256: str) -> Path:
        return self._root / "blobs" / sha256[:2] / sha256[2:]

    def _remove(self, sha256: str) -> bool:
        try:
            self._path(sha256).unlink(missing_ok=True)
        except OSError:  # on Windows a file that is being read
            return False
        del self._sizes[sha256]
        return True

    def _find_blobs(self) -> None:
        found = []
        for path in (self._root / "blobs").glob("??/" + "?" * 62):
            status = path.stat()
            found.append((status.st_mtime, path.parent.name + path.name, status.st_size))
        self._sizes.update((sha256, size) for _, sha256, size in sorted(found))


class BlobWriter:
    """Hashes a blob while it is written; leaving the block without `commit` removes it."""

    def __init__(self, store: BlobStore, size_bytes: int) -> None:
        self._store = store
        self._most_bytes = size_bytes
        self._digest = hashlib.sha256()
        self._size = 0
        self._path = store.staging / f"{os.urandom(8).hex()}{TEMPORARY}"
        store.reserve(self._path.name, size_bytes)
        self._file = self._path.open("xb")
        try:
            with as_disk_full(store.staging, size_bytes):
                store.allocate_file(self._file.fileno(), size_bytes)
        except BaseException:
            self._abort()
            raise

    def __enter__(self) -> BlobWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._abort()

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes. Raises DiskFull, also when there are more than were announced."""
        self._size += len(data)
        if self._size > self._most_bytes:
            raise disk_full(self._size, self._most_bytes, "more than was announced")
        self._digest.update(data)
        with as_disk_full(self._store.staging, self._most_bytes):
            self._file.write(data)

    def commit(self) -> BlobId:
        """Put the blob in its place, safe on disk, and return its name. Raises DiskFull."""
        with as_disk_full(self._store.staging, self._most_bytes):
            self._file.truncate(self._size)
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()
        blob = self._store.adopt(self._path, BlobId(self._digest.hexdigest(), self._size))
        self._store.release(self._path.name)
        return blob

    def _abort(self) -> None:
        with suppress(OSError):  # what could not be written before cannot be flushed now
            self._file.close()
        self._path.unlink(missing_ok=True)
        self._store.release(self._path.name)
