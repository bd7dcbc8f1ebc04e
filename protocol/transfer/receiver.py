"""The side that gets the file: it owns the offset, and nothing unverified gets a final name."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import struct
import zlib
from typing import TYPE_CHECKING

from ..errors import ChecksumMismatch, Corrupt, DiskFull, InvalidMessage
from ..limits import CHUNK_TRIES
from .descriptor import OpenFile
from .intervals import Intervals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ..messages import Chunk
    from ..messages.jobs import BlobId

__all__ = ["FULL", "Receiver", "reserve_space", "sync_folder", "verified_bytes"]

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})  # a full disk, three ways to say it
_TRAILER = struct.Struct("<Q8s")  # bytes verified so far; lies past the end until it is finished
_MAGIC = b"EX4Dpart"
_STEP = 1 << 22
_MOST_RANGES = 1024  # that came ahead, with gaps; a window has 128 chunks of the least size


def reserve_space(fd: int, size: int, path: Path) -> None:
    """Make the file `size` bytes long, with the space for them. Raises OSError, DiskFull."""
    have = shutil.disk_usage(path.parent).free + getattr(os.fstat(fd), "st_blocks", 0) * 512
    if have < size:
        raise DiskFull(
            f"{size} bytes are needed and {have} are free.", need_bytes=size, have_bytes=have
        )
    if size and hasattr(os, "posix_fallocate"):  # not on macOS and Windows
        try:
            os.posix_fallocate(fd, 0, size)
        except OSError as error:
            if error.errno not in {errno.EINVAL, errno.EOPNOTSUPP}:  # the file system cannot
                raise
    os.ftruncate(fd, size)


def verified_bytes(part: Path, blob: BlobId) -> int:
    """How many bytes from its beginning an earlier receiver left verified in `part`."""
    try:
        with open(part, "rb") as file:
            if os.fstat(file.fileno()).st_size != blob.size + _TRAILER.size:
                return 0
            file.seek(blob.size)
            offset, magic = _TRAILER.unpack(file.read(_TRAILER.size))
    except (OSError, struct.error):
        return 0
    return int(offset) if magic == _MAGIC and offset <= blob.size else 0


class Receiver(OpenFile):
    """Collects the chunks of one file in a `.part` file, in any order, and finishes it.

    Use as a context manager: what was verified stays in the part file when it is left early,
    and the next Receiver of the same part goes on from there. `offset` is how many bytes from
    the beginning are verified.
    """

    def __init__(
        self,
        part: Path,
        blob: BlobId,
        *,
        reserve: Callable[[int, int, Path], None] = reserve_space,
        mode: int = 0o600,  # less the umask
    ) -> None:
        """Open the part file and reserve the space. Raises DiskFull and leaves nothing then."""
        self.blob = blob
        self.part = part
        self._tries: dict[int, int] = {}
        self._ahead = Intervals()  # verified, beyond the offset
        self._digest = hashlib.sha256()
        self._hashed = 0
        part.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
        self._fd = os.open(part, flags, mode)
        self.offset = verified_bytes(part, blob)
        with self._disk():
            reserve(self._fd, blob.size + _TRAILER.size, part)
            self._note()

    def discard(self) -> None:
        """Close and remove the part file."""
        self.close()
        self.part.unlink(missing_ok=True)

    @property
    def complete(self) -> bool:
        """Whether every byte is here."""
        return self.offset == self.blob.size

    @property
    def n_verified(self) -> int:
        """Bytes that are here, those beyond a gap too."""
        return self.offset + self._ahead.n_bytes

    def write(self, chunk: Chunk, payload: bytes | bytearray | memoryview) -> bool:
        """Keep a chunk; whether its bytes were undamaged. What is here already stays as it is.

        Raises InvalidMessage beyond the end or after too many gaps, Corrupt after too many damaged
        ones, DiskFull.
        """
        end = chunk.offset + chunk.size
        if end > self.blob.size or len(payload) != chunk.size:
            raise InvalidMessage(
                f"A chunk ends at byte {end}; the file has {self.blob.size}.", field="offset"
            )
        if len(self._ahead) >= _MOST_RANGES and chunk.offset > self.offset:
            raise InvalidMessage(
                f"The chunks that came have {_MOST_RANGES} gaps between them.", field="offset"
            )
        if zlib.crc32(payload) != chunk.crc32:
            self._damaged(chunk)
            return False
        with self._disk():
            for begin, stop in self._ahead.missing(max(chunk.offset, self.offset), end):
                self._pwrite(payload[begin - chunk.offset : stop - chunk.offset], begin)
            if chunk.offset == self.offset == self._hashed:
                self._digest.update(payload)
                self._hashed = end
            self._ahead.add(chunk.offset, end)
            self.offset = self._ahead.take_from(self.offset)
            self._note()
        self._catch_up(2 * _STEP)
        return True

    def catch_up(self, most: int) -> bool:
        """Hash at most so many bytes that were verified earlier or out of order; whether all that
        are here are hashed now."""
        self._catch_up(most)
        return self._hashed == self.offset

    def finish(self, target: Path) -> None:
        """Check the whole, sync it and rename it to `target`.

        Raises ChecksumMismatch (the part is removed), InvalidMessage when bytes are lacking.
        """
        if not self.complete:
            raise InvalidMessage(
                f"{self.offset} of {self.blob.size} bytes are here.", field="transfer"
            )
        self._catch_up(self.blob.size)
        digest = self._digest.hexdigest()
        if digest != self.blob.sha256:
            self.discard()
            raise ChecksumMismatch(
                "The file that arrived is not the one that was announced.",
                given=digest,
                expected=self.blob.sha256,
            )
        with self._disk():
            os.ftruncate(self._fd, self.blob.size)
            os.fsync(self._fd)
            self.close()
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(self.part, target)
            sync_folder(target.parent)

    def _damaged(self, chunk: Chunk) -> None:
        self._tries[chunk.offset] = self._tries.get(chunk.offset, 0) + 1
        if self._tries[chunk.offset] > CHUNK_TRIES:
            raise Corrupt(
                f"The bytes at {chunk.offset} arrived damaged {CHUNK_TRIES + 1} times.",
                offset=chunk.offset,
            )

    def _note(self) -> None:
        """Write down how far it is. After the data, so a killed process never claims too much."""
        self._pwrite(_TRAILER.pack(self.offset, _MAGIC), self.blob.size)

    def _catch_up(self, most: int) -> None:
        """Hash at most so many bytes that were verified earlier or out of order."""
        end = min(self.offset, self._hashed + most)
        while self._hashed < end:
            data = self._pread(min(_STEP, end - self._hashed), self._hashed)
            self._digest.update(data)
            self._hashed += len(data)

    def _pwrite(self, data: bytes | bytearray | memoryview, at: int) -> None:
        os.lseek(self._fd, at, os.SEEK_SET)  # Windows has no pwrite
        left = memoryview(data)
        while left:
            left = left[os.write(self._fd, left) :]

    def _pread(self, size: int, at: int) -> bytes:
        os.lseek(self._fd, at, os.SEEK_SET)
        return os.read(self._fd, size)

    @contextlib.contextmanager
    def _disk(self) -> Iterator[None]:
        """A full disk, a quota and a file size limit are one error, and leave nothing."""
        try:
            yield
        except DiskFull:
            self.discard()
            raise
        except OSError as error:
            if error.errno not in FULL:
                self.close()
                raise
            self.discard()
            have = shutil.disk_usage(self.part.parent).free
            raise DiskFull(
                f"The disk is full: {self.blob.size} bytes are needed and {have} are free.",
                need_bytes=self.blob.size,
                have_bytes=have,
                path=str(self.part.parent),
            ) from error


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut. Raises OSError."""
    if os.name == "nt":  # a folder cannot be opened there, and needs not
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
