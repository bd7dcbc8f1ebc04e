"""The blob store: files named by their hash, in `<root>/blobs/ab/cdef...`.

A file is written in `<root>/staging` and renamed when all of it is on disk, so what has a blob's
name was whole then. One that is damaged later goes to `<root>/damaged`. One thread uses the store;
the journal's lock keeps other servers out.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING

from backend.checkpoints import Checkpoint, no_checkpoint
from backend.store.disk import as_disk_full, disk_full, free_bytes
from backend.store.eviction import Candidate, Hold, eviction_order
from backend.store.health import BlobHealth
from backend.store.pins import Pins
from backend.store.staging import Staging
from protocol.errors import Busy, ChecksumMismatch, UnknownBlob
from protocol.transfer import sync_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from protocol.messages.jobs import BlobId

__all__ = ["BlobStore"]

_SPARE_BYTES = 64 << 20  # of the disk, left to the journal and to everybody else


class BlobStore:
    """The blobs of one folder, at most `quota_bytes` of them.

    `free_space` tells how much room the disk has left; `tags` gives the tags of the owners of each
    file; `sync_names` makes a folder safe, or sees to it that it will be. The files' times of use
    tell which blob was used last, also after a restart. `gone` collects what was removed to make
    room, with the jobs that it was a result of: the service takes it out.
    """

    def __init__(
        self,
        root: Path,
        *,
        quota_bytes: int = 200 << 30,
        checkpoint: Checkpoint = no_checkpoint,
        free_space: Callable[[Path], int] = free_bytes,
        tags: Callable[[], Mapping[str, set[str]]] = dict,
        sync_names: Callable[[Path], None] = sync_folder,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.quota_bytes = quota_bytes
        self.gone: list[tuple[str, frozenset[str]]] = []
        self._root = root
        self._checkpoint = checkpoint
        self._free_space = free_space
        self._tags = tags
        self._sync_names = sync_names
        self._sizes: OrderedDict[str, int] = OrderedDict()  # of each hash, last used last
        self.used_bytes = 0  # of all blobs
        self.pins = Pins()
        self._health = BlobHealth(root / "damaged", clock=clock)
        self._folder = str(root / "blobs")
        (root / "blobs").mkdir(parents=True, exist_ok=True, mode=0o700)
        self.staged = Staging(root / "staging")
        self.staging = self.staged.folder
        self._find_blobs()

    @property
    def capacity_bytes(self) -> int:
        """Bytes that the store could hold in all, by the quota and by the disk."""
        held = self.used_bytes + self.staged.left_bytes() + self.staged.promised_bytes
        return max(0, min(self.quota_bytes, held + self._room_on_disk("")))

    def hashes(self) -> set[str]:
        """The hashes of all blobs."""
        return set(self._sizes)

    def room_bytes(self, holder: str = "") -> int:
        """Bytes that could be stored now, by the quota and by the disk; what the holder's file has
        taken already is room for it."""
        return max(0, self._room(holder))

    def room_to_make(self, holder: str) -> int:
        """The same, if all went that may go."""
        return max(0, self._room(holder) + sum(c.size for c in self._candidates(holder)))

    def has(self, blob: BlobId) -> bool:
        """Whether the store holds a blob of this hash and size."""
        return self._sizes.get(blob.sha256) == blob.size

    def is_whole(self, blob: BlobId) -> bool:
        """The same, and the file is there and has that size; one of another size is set aside.
        Raises Busy while the folder is not there."""
        return self._whole_status(blob) is not None

    def path_of(self, blob: BlobId) -> Path:
        """Where a blob lies; it counts as used now. Raises UnknownBlob."""
        status = self._whole_status(blob)
        if status is None:
            raise UnknownBlob(f"there is no blob {blob.sha256}", sha256=blob.sha256)
        path = self._path(blob.sha256)
        self._sizes.move_to_end(blob.sha256)
        with suppress(OSError):  # the time of the last change tells whether the file is the same
            os.utime(path, ns=(time.time_ns(), status.st_mtime_ns))
        return path

    def is_doubtful(self, blob: BlobId) -> bool:
        """Whether a blob must be hashed before it is used."""
        return self._health.is_doubtful(blob.sha256, self._path(blob.sha256))

    def known_good(self, blob: BlobId) -> None:
        """Take note that a blob was hashed and is right."""
        self._health.note_good(blob.sha256, self._path(blob.sha256))

    def set_aside(self, blob: BlobId) -> None:
        """Take a damaged blob out of the store; it can be sent again."""
        with suppress(OSError):  # then it stays where it is, and is replaced when it is sent
            self._health.set_aside(blob.sha256, self._path(blob.sha256))
        self._note_removed(blob.sha256)

    def reserve(
        self, holder: str, size_bytes: int, *, is_written: bool = False, owner: str = ""
    ) -> None:
        """Promise room for a staged file until `release`, and remove what may go to make it, once
        it is sure that this is enough. `holder`: its name in the staging folder, `owner`: the tag
        of whose it is; `is_written`: its bytes lie on this disk already, only the quota is asked.

        Raises DiskFull with need and have; what is pinned stays. Again for the same holder, the
        new size counts.
        """
        self.release(holder)
        room = self._room_in_quota if is_written else self._room
        if size_bytes > room(holder):
            candidates = self._candidates(holder)
            if size_bytes > (have := room(holder) + sum(each.size for each in candidates)):
                raise disk_full(size_bytes, max(0, have), "a file")
            self._evict(candidates, lambda: size_bytes <= room(holder))
            if size_bytes > room(holder):
                raise disk_full(size_bytes, max(0, room(holder)), "a file")
        self.staged.promise(holder, size_bytes, is_written=is_written, owner=owner)

    def release(self, holder: str) -> None:
        """Take a promise back, or forget it because the bytes are there. Never fails."""
        self.staged.release(holder)

    def partial_path(self, blob: BlobId, owner: str = "") -> Path:
        """Where a transfer that can be resumed collects a blob; `adopt` it when it is whole.
        `owner`: the tag of who sends it, so that nobody else's bytes get into it."""
        return self.staged.part(blob, owner)

    def adopt(self, path: Path, blob: BlobId) -> None:
        """Move a file on the same disk into the store.

        The caller has hashed the file and synced it; only the size is looked at again. What the
        store has already is not stored twice: this one takes its place, for it was looked at later.
        Raises ChecksumMismatch when the size differs; DiskFull.
        """
        if path.stat().st_size != blob.size:
            raise ChecksumMismatch(
                f"a file has {path.stat().st_size} bytes, {blob.size} were announced",
                sha256=blob.sha256,
            )
        with as_disk_full(self._root, blob.size):
            target = self._path(blob.sha256)
            for folder in (target.parent.parent, target.parent):
                folder.mkdir(exist_ok=True, mode=0o700)
            self._checkpoint("before_rename")
            os.replace(path, target)
            self._checkpoint("after_rename")
            self._sync_names(target.parent)
        self.used_bytes += blob.size - self._sizes.get(blob.sha256, 0)
        self._sizes[blob.sha256] = blob.size
        self._sizes.move_to_end(blob.sha256)
        # H4: not gone any more; whose right was written meanwhile must not lose it.
        self.gone = [each for each in self.gone if each[0] != blob.sha256]
        self.known_good(blob)

    def discard(self, blob: BlobId) -> bool:
        """Remove a blob that nobody has pinned; returns whether it is gone."""
        if self.pins.hold_of(blob.sha256) or not self.has(blob):
            return False
        return self._remove(blob.sha256)

    def collect(self, target_bytes: int = 0) -> int:
        """Remove blobs that may go until at most `target_bytes` are left. Returns the bytes that
        were freed."""
        before = self.used_bytes
        blobs = [each for each in self._candidates("") if not each.is_part]
        self._evict(blobs, lambda: self.used_bytes <= target_bytes)
        return before - self.used_bytes

    def clean(self, older_than_s: float, *, now_s: float | None = None) -> list[Path]:
        """Remove what dead transfers have left and not written for so long, and blobs that no job
        needs and that were not used for so long. Returns it. `now_s`: the time of the files'."""
        now_s = time.time() if now_s is None else now_s
        removed = self.staged.clean(older_than_s, now_s=now_s)
        for sha256 in list(self._sizes):
            with suppress(FileNotFoundError):
                if now_s - self._path(sha256).stat().st_atime <= older_than_s:
                    break  # those behind it were used later
            if not self.pins.hold_of(sha256) and self._remove(sha256):
                self.gone.append((sha256, frozenset()))
                removed.append(self._path(sha256))
        return removed

    def _room(self, holder: str) -> int:
        """Less than nothing when there is more than allowed."""
        return min(self._room_in_quota(holder), self._room_on_disk(holder))

    def _room_in_quota(self, holder: str) -> int:
        staged = self.staged.promised_bytes + self.staged.left_bytes(except_for=holder)
        return self.quota_bytes - self.used_bytes - staged

    def _room_on_disk(self, holder: str) -> int:
        free = self._free_space(self._root) + self.staged.taken_bytes(holder)
        return free - self.staged.pending_bytes() - _SPARE_BYTES

    def _candidates(self, holder: str) -> list[Candidate]:
        """All that may go, but not the holder's own part."""
        tags = self._tags()
        found = []
        for number, (sha256, size) in enumerate(self._sizes.items()):
            if (hold := self.pins.hold_of(sha256)) < Hold.FIRM:
                owners = frozenset(tags.get(sha256, ()))
                found.append(Candidate(sha256, hold, False, number, size, owners))
        return found + self.staged.candidates(except_for=holder)

    def _used_by(self) -> dict[str, int]:
        """Bytes of each owner's files and transfers, by its tag."""
        used = self.staged.used_by()
        for sha256, owners in self._tags().items():
            for owner in owners:
                used[owner] = used.get(owner, 0) + self._sizes.get(sha256, 0)
        return used

    def _evict(self, candidates: Iterable[Candidate], is_enough: Callable[[], bool]) -> None:
        with self.staged.held():
            for candidate in eviction_order(candidates, self._used_by()):
                if is_enough():
                    return
                if candidate.is_part:
                    self.staged.remove(candidate.name)
                elif self._remove(candidate.name):
                    self.gone.append((candidate.name, self.pins.holders_of(candidate.name)))

    def _whole_status(self, blob: BlobId) -> os.stat_result | None:
        if not self.has(blob):
            return None
        try:
            status = os.stat(f"{self._folder}/{blob.sha256[:2]}/{blob.sha256[2:]}")
        except FileNotFoundError:
            if not self._root.exists():  # which does not mean that this file is lost
                raise Busy("the data folder of this server is gone") from None
            self._note_removed(blob.sha256)
            return None
        if status.st_size != blob.size:
            self.set_aside(blob)
        return status if status.st_size == blob.size else None

    def _path(self, sha256: str) -> Path:
        return self._root / "blobs" / sha256[:2] / sha256[2:]

    def _remove(self, sha256: str) -> bool:
        try:
            self._path(sha256).unlink(missing_ok=True)
        except OSError:  # on Windows a file that is being read
            return False
        self._note_removed(sha256)
        return True

    def _note_removed(self, sha256: str) -> None:
        self.used_bytes -= self._sizes.pop(sha256, 0)
        self._health.forget(sha256)

    def _find_blobs(self) -> None:
        found = []
        for path in (self._root / "blobs").glob("??/" + "?" * 62):
            status = path.stat()
            found.append((status.st_atime, path.parent.name + path.name, status.st_size))
        self._sizes.update((sha256, size) for _, sha256, size in sorted(found))
        self.used_bytes = sum(self._sizes.values())
