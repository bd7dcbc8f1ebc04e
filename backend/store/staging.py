"""The folder where files are written before they have their names, and the room promised to them.

A `.part` belongs to a transfer, which can be resumed, also by the next server; it takes room until
it is whole or removed. A `.tmp` belongs to this process; a later one removes it.

Each request of an upload asks what lies here (H6): the folder is listed again only when a name has
come or gone since.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from backend.store.eviction import Candidate, Hold

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from protocol.messages.jobs import BlobId

__all__ = ["TEMPORARY", "Staging"]

TEMPORARY = ".tmp"
_BLOCK = 512  # bytes, the unit of st_blocks
_TICK_NS = 20_000_000  # two changes within it may leave a folder with one time


class _Promise(NamedTuple):
    size_bytes: int
    is_written: bool  # the bytes lie on this disk, somewhere
    owner: str  # its tag


class Staging:
    """Counts bytes; holds no file open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._promises: dict[str, _Promise] = {}  # by the file's name
        self._listed: dict[str, os.stat_result] = {}  # by the file's name, as of `_listed_ns`
        self._listed_ns = 0  # the folder's time then; 0: look again
        self._is_held = False
        self.make_folder()
        for path in folder.glob(f"*{TEMPORARY}"):
            path.unlink()

    def make_folder(self) -> None:
        """Make the folder, also when somebody has removed it."""
        self.folder.mkdir(exist_ok=True, mode=0o700)

    def part(self, blob: BlobId, owner: str) -> Path:
        """Where a transfer that can be resumed collects a blob. `owner`: its tag, or nothing."""
        name = f"{blob.sha256}-{blob.size}" + (f"-{owner}" if owner else "")
        return self.folder / f"{name}.part"

    def promise(
        self, name: str, size_bytes: int, *, is_written: bool = False, owner: str = ""
    ) -> None:
        """Keep room for a file until `release`."""
        self._promises[name] = _Promise(size_bytes, is_written, owner)

    def release(self, name: str) -> None:
        """Take a promise back; never fails."""
        self._promises.pop(name, None)
        if name in self._listed:  # it was written since
            with suppress(OSError):
                self._listed[name] = (self.folder / name).stat()

    @property
    def promised_bytes(self) -> int:
        """Bytes that were promised, written or not."""
        return sum(promise.size_bytes for promise in self._promises.values())

    def promised_to(self, owner: str, *, except_for: str = "") -> int:
        """Bytes that were promised to one owner."""
        return sum(
            promise.size_bytes
            for name, promise in self._promises.items()
            if promise.owner == owner and name != except_for
        )

    def pending_bytes(self) -> int:
        """Bytes that what was promised will still take from the disk."""
        return sum(
            max(0, promise.size_bytes - self.taken_bytes(name))
            for name, promise in self._promises.items()
            if not promise.is_written
        )

    def taken_bytes(self, name: str) -> int:
        """Bytes that a file has taken from the disk; 0 for one that is not there."""
        try:
            status = (self.folder / name).stat()
        except FileNotFoundError:
            return 0
        return getattr(status, "st_blocks", 0) * _BLOCK or status.st_size

    def left_bytes(self, except_for: str = "") -> int:
        """Bytes of what interrupted transfers have left."""
        return sum(status.st_size for _, status in self._left(except_for))

    def parts_of(self, owner: str, *, except_for: str = "") -> list[tuple[str, float]]:
        """Names of what an owner's interrupted transfers have left, the oldest first, and when
        each was written last. `owner`: its tag."""
        own = [(n, s.st_mtime) for n, s in self._left(except_for) if _owner_of(n) == {owner}]
        return sorted(own, key=lambda each: each[1])

    def remove(self, name: str) -> None:
        """Remove what an interrupted transfer has left."""
        (self.folder / name).unlink(missing_ok=True)
        self._listed.pop(name, None)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Within the block nothing comes and goes but by `remove`: many of those cost one look."""
        self._list()
        self._is_held = True
        try:
            yield
        finally:
            self._is_held, self._listed_ns = False, 0

    def candidates(self, except_for: str) -> list[Candidate]:
        """What may go when there is no room."""
        return [
            Candidate(name, Hold.NOT, True, status.st_mtime, status.st_size, _owner_of(name))
            for name, status in self._left(except_for)
        ]

    def used_by(self) -> dict[str, int]:
        """Bytes of each owner's transfers, also of those under way, by its tag."""
        used: dict[str, int] = {}
        for path in self.folder.glob("*.part"):
            for owner in _owner_of(path.name):
                with suppress(FileNotFoundError):
                    used[owner] = used.get(owner, 0) + path.stat().st_size
        return used

    def clean(self, older_than_s: float, *, now_s: float | None = None) -> list[Path]:
        """Remove what was left and not been written for so long. Returns it. `now_s`: the time of
        the files'."""
        now_s = time.time() if now_s is None else now_s
        self._listed, self._listed_ns = {}, 0  # the folder does not tell the times of its files
        left = self._left("")
        old = [name for name, status in left if now_s - status.st_mtime > older_than_s]
        for name in old:
            self.remove(name)
        return [self.folder / name for name in old]

    def _left(self, except_for: str) -> list[tuple[str, os.stat_result]]:
        """Files that nobody was promised room for."""
        taken = {except_for, *self._promises}
        # What a transfer has made whole has its part's name, with another suffix.
        return [
            (name, status)
            for name, status in self._list().items()
            if name not in taken and f"{name.rpartition('.')[0]}.part" not in taken
        ]

    def _list(self) -> dict[str, os.stat_result]:
        """What lies in the folder."""
        if self._is_held:
            return self._listed
        self.make_folder()
        changed_ns, now_ns = self.folder.stat().st_mtime_ns, time.time_ns()
        if changed_ns != self._listed_ns:
            before, self._listed = self._listed, {}
            with os.scandir(self.folder) as entries:
                for entry in entries:
                    status = before.get(entry.name)
                    with suppress(FileNotFoundError):
                        if status is None or not status.st_size:  # it may be just being made
                            status = entry.stat()
                        self._listed[entry.name] = status
            self._listed_ns = changed_ns if now_ns - changed_ns > _TICK_NS else 0
        return self._listed


def _owner_of(part: str) -> frozenset[str]:
    """The tag of who sends a part, if its name has one."""
    return frozenset(part.rpartition(".")[0].split("-")[2:3])
