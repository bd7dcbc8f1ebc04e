"""The server's side of downloads, without sockets."""

from __future__ import annotations

import os
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ..errors import FileChanged, InvalidMessage, UnknownBlob
from ..limits import CHUNK_BYTES, OPEN_FETCHES, WINDOW_BYTES_MOST
from ..transfer import read_chunk
from .verification import Verification

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..messages import Chunk, Fetch, Limits
    from ..messages.jobs import BlobId
    from .blob_store import BlobStore
    from .disk_thread import DiskThread
    from .sessions import Session
    from .uploads import Reply

    # Sends a piece without waiting, and returns what tells whether its bytes have left the
    # process; None: there is no room now.
    Send = Callable[[Session, "Piece"], Callable[[], bool] | None]

__all__ = ["Downloads", "Piece"]

_OPEN_FILES = 16
_BUSY_S = 0.002  # between two looks whether peers have read what was sent to them
_RECENT_S, _IDLE_S = 0.1, 0.05  # who has read nothing for so long is looked at less often
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
    moved_s: float = 0.0  # when bytes left last, or began to wait for that


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
        self._checks: dict[BlobId, Verification] = {}  # under way; who asks for these waits
        self._bytes = 0
        self._moved_s = clock()  # when bytes of anybody left last

    @property
    def busy_s(self) -> float | None:
        """After how long `step` has something to do; None: not before something comes."""
        if not self._bytes:
            return None
        return _BUSY_S if self._clock() - self._moved_s < _RECENT_S else _IDLE_S

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
                if not reader.sent:
                    reader.moved_s = self._clock()
                reader.sent.append((has_left, len(reader.ready.popleft().payload)))
            if not reader.bytes and not reader.waiting:
                self._end(reader)
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
        readers = self._readers.values()
        return [r.session for r in readers if r.sent and now_s - r.moved_s > after_s]

    def forget(self, session: Session) -> None:
        """Drop what a connection has asked for."""
        reader = self._readers.get(session.connection)
        if reader is not None:
            self._bytes -= reader.bytes
            self._end(reader)

    def close(self) -> None:
        """Close every file."""
        self._readers.clear()
        while self._files:
            self._close(self._files.popitem()[1])

    def _end(self, reader: _Reader) -> None:
        """Its files are closed, too: when it asks again, they may be others of the same name."""
        connection = reader.session.connection
        self._readers.pop(connection, None)
        for key in [key for key in self._files if key[0] == connection]:
            self._close(self._files.pop(key))

    def _most(self) -> int:
        return max(self._limits.chunk_bytes, CHUNK_BYTES)

    def _may_read(self, reader: _Reader) -> bool:
        """One piece is always allowed to a peer, so that nobody waits for the others' memory."""
        if not reader.waiting or reader.waiting[0].blob in self._checks:
            return False
        size = reader.waiting[0].size
        window = min(self._limits.window_bytes, WINDOW_BYTES_MOST)
        fits = reader.bytes + size <= window and self._bytes + size <= _MOST_BYTES
        return fits or not reader.bytes

    def _open(self, session: Session, blob: BlobId) -> int:
        """A descriptor of a file, whose bytes are hashed first where that is due."""
        key = session.connection, blob
        if key not in self._files:
            if len(self._files) >= _OPEN_FILES:
                self._close(self._files.popitem(last=False)[1])
            descriptor = self._store.open_for_reading(blob, session.user)
            self._files[key] = descriptor
            if blob not in self._checks and self._store.is_doubtful(blob):
                self._checks[blob] = Verification(
                    self._disk, blob, descriptor, lambda is_right: self._checked(blob, is_right)
                )
        self._files.move_to_end(key)
        return self._files[key]

    def _close(self, descriptor: int) -> None:
        """After whatever the disk's thread still reads from it."""
        self._disk.put_close(lambda: os.close(descriptor))

    def _read(self, reader: _Reader, message: Fetch) -> None:
        session, blob = reader.session, message.blob
        try:
            descriptor = self._open(session, blob)
        except (UnknownBlob, OSError) as error:
            self._reply(session, message.id, error)
            return
        if blob in self._checks:  # it was closed for others' sake, and is opened anew
            reader.waiting.appendleft(message)
            return
        inode = os.fstat(descriptor).st_ino
        reader.bytes += message.size
        self._bytes += message.size

        def read() -> Piece:
            return Piece(*read_chunk(descriptor, message.id, message.offset, message.size))

        def was_read(result: Piece | Exception) -> None:
            if not isinstance(result, Exception):
                reader.ready.append(result)
                return
            if self._readers.get(session.connection) is reader:
                self._release(reader, message.size)
            if isinstance(result, FileChanged):  # it is shorter than its name says
                self._damaged(blob, inode)
                result = _lost(blob)
            self._reply(session, message.id, result)

        self._disk.put(read, was_read)

    def _checked(self, blob: BlobId, is_right: bool) -> None:
        check = self._checks.pop(blob)
        if is_right:
            self._store.known_good(blob)
            return
        self._damaged(blob, check.inode)
        for reader in self._readers.values():
            lost = [message for message in reader.waiting if message.blob == blob]
            for message in lost:
                reader.waiting.remove(message)
                self._reply(reader.session, message.id, _lost(blob))

    def _damaged(self, blob: BlobId, inode: int) -> None:
        """A file has wrong bytes: it goes, unless another has come under its name since (H9)."""
        self._store.set_aside(blob, inode)
        for key in [key for key in self._files if key[1] == blob]:
            self._close(self._files.pop(key))

    def _count(self, reader: _Reader) -> None:
        """Take note of the bytes that have left."""
        while reader.sent and reader.sent[0][0]():
            self._release(reader, reader.sent.popleft()[1])

    def _release(self, reader: _Reader, n_bytes: int) -> None:
        reader.bytes -= n_bytes
        self._bytes -= n_bytes
        self._moved_s = reader.moved_s = self._clock()


def _lost(blob: BlobId) -> UnknownBlob:
    text = "The file was damaged on the server, which has set it aside: send it again."
    return UnknownBlob(text, sha256=blob.sha256)
