"""The folder where files are written before they have their names, and the room promised to them.

A `.part` belongs to a transfer, which can be resumed, also by the next server; it takes room until
it is whole or removed. A `.tmp` belongs to this process; a later one removes it.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from backend.eviction import Candidate, Hold

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from protocol.jobs import BlobId

__all__ = ["TEMPORARY", "Staging"]

TEMPORARY = ".tmp"
_BLOCK = 512  # bytes, the unit of st_blocks


class _Promise(NamedTuple):
    size_bytes: int
    is_written: bool  # the bytes lie on this disk, somewhere
    owner: str  # its tag


class Staging:
    """Counts bytes; holds no file open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._promises: dict[str, _Promise] = {}  # by the file's name
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
        return sum(status.st_size for _, status in self.left(except_for))

    def candidates(self, except_for: str) -> list[Candidate]:
        """What may go when there is no room."""
        return [
            Candidate(path.name, Hold.NOT, True, status.st_mtime, status.st_size, _owners_of(path))
            for path, status in self.left(except_for)
        ]

    def used_by(self) -> dict[str, int]:
        """Bytes of each owner's transfers, also of those under way, by its tag."""
        used: dict[str, int] = {}
        for path in self.folder.glob("*.part"):
            for owner in _owners_of(path):
                with suppress(FileNotFoundError):
                    used[owner] = used.get(owner, 0) + path.stat().st_size
        return used

    def clean(self, older_than_s: float, *, now_s: float | None = None) -> list[Path]:
        """Remove what was left and not been written for so long. Returns it. `now_s`: the time of
        the files'."""
        now_s = time.time() if now_s is None else now_s
        old = [path for path, status in self.left() if now_s - status.st_mtime > older_than_s]
        for path in old:
            path.unlink(missing_ok=True)
        return old

    def left(self, except_for: str = "") -> list[tuple[Path, os.stat_result]]:
        """Files that nobody was promised room for, the oldest first."""
        found = []
        self.make_folder()
        for path in self.folder.iterdir():
            # What a transfer has made whole has its part's name, with another suffix.
            names = {path.name, path.with_suffix(".part").name}
            if except_for not in names and not names & self._promises.keys():
                with suppress(FileNotFoundError):
                    found.append((path, path.stat()))
        return sorted(found, key=lambda each: each[1].st_mtime)


def _owners_of(part: Path) -> frozenset[str]:
    """The tag of who sends a part, if its name has one."""
    return frozenset(part.stem.split("-")[2:3])
