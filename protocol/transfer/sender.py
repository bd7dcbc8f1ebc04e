"""The side that has the file."""

from __future__ import annotations

import os
import zlib
from collections import deque
from typing import TYPE_CHECKING

from ..errors import Corrupt, FileChanged, InvalidMessage
from ..limits import CHUNK_BYTES, CHUNK_TRIES
from ..messages import Chunk
from .descriptor import OpenFile

if TYPE_CHECKING:
    from ..messages import ChunkAck, ChunkAgain
    from ..messages.jobs import BlobId

__all__ = ["Sender", "read_chunk"]


def read_chunk(fd: int, transfer: int, offset: int, size: int) -> tuple[Chunk, bytes]:
    """One chunk of an open file. Raises FileChanged when the file ends before it does."""
    os.lseek(fd, offset, os.SEEK_SET)
    data = os.read(fd, size)
    while len(data) < size:
        more = os.read(fd, size - len(data))
        if not more:
            raise FileChanged(
                f"The file ends at byte {offset + len(data)}; it was longer.", offset=offset
            )
        data += more
    return Chunk(transfer, offset, size, zlib.crc32(data)), data


class Sender(OpenFile):
    """Cuts one file into chunks, never more under way than the other side gave credit for.

    Use as a context manager. `next()` gives chunks until it returns None: then wait for
    `on_ack` or `on_again`, or, if `done`, finish.
    """

    def __init__(
        self, path: str | os.PathLike[str], blob: BlobId, *, chunk_bytes: int = CHUNK_BYTES
    ) -> None:
        self._path = os.fspath(path)
        self._blob = blob
        self._chunk_bytes = chunk_bytes
        self._transfer = 0
        self._next = 0
        self._credit_end = 0
        self._again: deque[tuple[int, int]] = deque()
        self._tries: dict[int, int] = {}
        self.verified = 0  # bytes that the other side has
        self._fd = os.open(self._path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self._stat = os.fstat(self._fd)
        if self._stat.st_size != blob.size:
            self.close()
            raise self._changed()

    @property
    def done(self) -> bool:
        """Whether the other side has every byte."""
        return self.verified >= self._blob.size

    def start(self, transfer: int, offset: int, window_bytes: int) -> None:
        """Begin, or begin again after a lost connection, where the other side says."""
        if offset > self._blob.size:
            raise InvalidMessage(
                f"Bytes from {offset} on are asked for; the file has {self._blob.size}.",
                field="offset",
            )
        self._transfer = transfer
        self._next = self.verified = offset
        self._credit_end = offset + window_bytes
        self._again.clear()

    def next(self) -> tuple[Chunk, bytes] | None:
        """The next chunk to send, or None when there is no credit or nothing left.

        Raises FileChanged.
        """
        if self._again:
            offset, size = self._again.popleft()
            return self._read(offset, size)
        size = min(self._chunk_bytes, self._blob.size - self._next)
        if size <= 0 or self._next + size > max(self._credit_end, self.verified + size):
            return None
        offset, self._next = self._next, self._next + size
        return self._read(offset, size)

    def on_ack(self, ack: ChunkAck) -> None:
        """Take credit. Acks of another transfer are ignored."""
        if ack.transfer == self._transfer and self.verified <= ack.offset <= self._blob.size:
            self.verified = ack.offset
            self._credit_end = max(self._credit_end, ack.offset + ack.window_bytes)

    def on_again(self, again: ChunkAgain) -> None:
        """Queue a damaged chunk. Raises Corrupt when it was damaged again and again."""
        if again.transfer != self._transfer or again.offset + again.size > self._next:
            return
        self._tries[again.offset] = self._tries.get(again.offset, 0) + 1
        if self._tries[again.offset] > CHUNK_TRIES:
            raise Corrupt(
                f"The bytes at {again.offset} arrived damaged {CHUNK_TRIES + 1} times.",
                offset=again.offset,
            )
        self._again.append((again.offset, again.size))

    def _read(self, offset: int, size: int) -> tuple[Chunk, bytes]:
        chunk = read_chunk(self._fd, self._transfer, offset, size)
        now = os.fstat(self._fd)
        if (now.st_size, now.st_mtime_ns) != (self._stat.st_size, self._stat.st_mtime_ns):
            raise self._changed()
        return chunk

    def _changed(self) -> FileChanged:
        return FileChanged("The file changed while it was sent.", path=self._path)
