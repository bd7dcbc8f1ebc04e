"""The server's side of downloads, without sockets."""

from __future__ import annotations

import os
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ..errors import FileChanged, InvalidMessage, UnknownBlob
from ..limits import CHUNK_BYTES, OPEN_FETCHES, WINDOW_BYTES_MOST
from ..transfer import hash_descriptor, read_chunk

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..jobs import BlobId
    from ..messages import Chunk, Fetch, Limits
    from .blob_store import BlobStore
    from .disk_thread import DiskThread
    from .sessions import Session
    from .uploads import Reply

    # Sends a piece without waiting, and returns what tells whether its bytes have left the
    # process; None: there is no room now.
    Send = Callable[[Session, "Piece"], Callable[[], bool] | None]

__all__ = ["Downloads", "Piece"]

_OPEN_FILES = 16
_MOST_BYTES = 256 << 20  # of all peers that were read or sent, and have not left the process (H6)


class Piece(NamedTuple):
    """A range of a file that was asked for, read."""

    chunk: Chunk
    payload: bytes


@dataclass(eq=False)
class _Reader:
    """What one connection has asked for."""

    session: Session
    waiting: deque[Fetch] = field(default_factory=deque)
    ready: deque[Piece] = field(default_factory=deque)
    sent: deque[tuple[Callable[[], bool], int]] = field(default_factory=deque)
    bytes: int = 0  # read, or sent and still in this process
    moved_s: float = 0.0


class Downloads:
    """Gives files out, as fast as the peers read them."""

    def __init__(
        self,
        store: BlobStore,
        disk: DiskThread,
        reply: Reply,
        send: Send,
        *,
        clock: Callable[[], float],
        limits: Limits,
    ) -> None:
        self._store = store
        self._disk = disk
        self._reply = reply
        self._send = send
        self._clock = clock
        self._limits = limits
        self._readers: OrderedDict[str, _Reader] = OrderedDict()  # by connection
        self._files: OrderedDict[tuple[str, BlobId], int] = OrderedDict()
        self._right: set[BlobId] = set()  # hashed by the disk's thread, and not noted yet
        self._bytes = 0

    @property
    def is_busy(self) -> bool:
        """Whether `step` has something to do soon."""
        return bool(self._readers)

    def fetch(self, session: Session, message: Fetch) -> bool:
        """Take a request; False when the peer has too many that it does not read (H6).

        Raises InvalidMessage, UnknownBlob.
        """
        blob = message.blob
        if message.offset + message.size > blob.size or message.size > self._most():
            raise InvalidMessage(
                f"Bytes {message.offset} to {message.offset + message.size} are no range of a "
                f"file of {blob.size}, or more than {self._most()}.",
                field="size",
            )
        if (session.connection, blob) not in self._files:
            self._open(session, blob)
        reader = self._readers.get(session.connection)
        if reader is None:
            reader = _Reader(session, moved_s=self._clock())
            self._readers[session.connection] = reader
        if len(reader.waiting) >= OPEN_FETCHES:
            return False
        reader.waiting.append(message)
        return True

    def step(self) -> None:
        """Send what is ready and read more, a piece of each peer in turn."""
        for reader in list(self._readers.values()):
            self._count(reader)
            while reader.ready:
                has_left = self._send(reader.session, reader.ready[0])
                if has_left is None:
                    break
                reader.sent.append((has_left, len(reader.ready.popleft().payload)))
            if not reader.bytes and not reader.waiting:
                self._readers.pop(reader.session.connection, None)
        may_read = True
        while may_read:
            may_read = False
            for connection in list(self._readers):
                reader = self._readers[connection]
                if self._may_read(reader):
                    self._read(reader, reader.waiting.popleft())
                    self._readers.move_to_end(connection)
                    may_read = bool(reader.waiting) or may_read

    def stuck(self, after_s: float) -> list[Session]:
        """Connections that have read nothing for so long of what was sent to them."""
        now_s = self._clock()
        return [r.session for r in self._readers.values() if now_s - r.moved_s > after_s]

    def forget(self, session: Session) -> None:
        """Drop what a connection has asked for."""
        reader = self._readers.pop(session.connection, None)
        if reader is not None:
            self._bytes -= reader.bytes
        for key in [k for k in self._files if k[0] == session.connection]:
            self._close(self._files.pop(key))

    def close(self) -> None:
        """Close every file."""
        self._readers.clear()
        while self._files:
            self._close(self._files.popitem()[1])

    def _most(self) -> int:
        return max(self._limits.chunk_bytes, CHUNK_BYTES)

    def _may_read(self, reader: _Reader) -> bool:
        """One piece is always allowed to a peer, so that nobody waits for the others' memory."""
        if not reader.waiting:
            return False
        size = reader.waiting[0].size
        window = min(self._limits.window_bytes, WINDOW_BYTES_MOST)
        fits = reader.bytes + size <= window and self._bytes + size <= _MOST_BYTES
        return fits or not reader.bytes

    def _open(self, session: Session, blob: BlobId) -> None:
        if len(self._files) >= _OPEN_FILES:
            self._close(self._files.popitem(last=False)[1])
        self._files[session.connection, blob] = self._store.open_for_reading(blob, session.user)

    def _close(self, descriptor: int) -> None:
        """After whatever the disk's thread still reads from it."""
        self._disk.put(lambda: os.close(descriptor), lambda result: None)

    def _read(self, reader: _Reader, message: Fetch) -> None:
        session, blob = reader.session, message.blob
        try:
            if (session.connection, blob) not in self._files:  # closed for others' sake
                self._open(session, blob)
        except (UnknownBlob, OSError) as error:
            self._reply(session, message.id, error)
            return
        descriptor = self._files[session.connection, blob]
        self._files.move_to_end((session.connection, blob))
        must_check = self._store.is_doubtful(blob)
        reader.bytes += message.size
        self._bytes += message.size

        def read() -> Piece:
            if must_check and blob not in self._right:  # only the first of many pieces finds out
                if hash_descriptor(descriptor) != blob:
                    raise FileChanged("its hash is another")
                self._right.add(blob)
            return Piece(*read_chunk(descriptor, message.id, message.offset, message.size))

        def was_read(result: Piece | Exception) -> None:
            if must_check and not isinstance(result, Exception):
                self._store.known_good(blob)
                self._right.discard(blob)
            if not isinstance(result, Exception):
                reader.ready.append(result)
                return
            if self._readers.get(session.connection) is reader:
                self._release(reader, message.size)
            self._reply(session, message.id, self._damaged(session, blob, result))

        self._disk.put(read, was_read)

    def _damaged(self, session: Session, blob: BlobId, error: Exception) -> Exception:
        """What to say of a stored file that could not be read; one with wrong bytes goes (H9)."""
        if not isinstance(error, FileChanged):
            return error
        if (descriptor := self._files.pop((session.connection, blob), None)) is not None:
            self._close(descriptor)
        self._store.set_aside(blob)
        text = "The file was damaged on the server, which has set it aside: send it again."
        return UnknownBlob(text, sha256=blob.sha256)

    def _count(self, reader: _Reader) -> None:
        """Take note of the bytes that have left."""
        while reader.sent and reader.sent[0][0]():
            self._release(reader, reader.sent.popleft()[1])

    def _release(self, reader: _Reader, n_bytes: int) -> None:
        reader.bytes -= n_bytes
        self._bytes -= n_bytes
        reader.moved_s = self._clock()
