"""The server's side of uploads and downloads, without sockets."""

from __future__ import annotations

import contextlib
import os
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ..errors import Busy, FileChanged, InvalidMessage, ProtocolError, TooLarge, UnexpectedMessage
from ..limits import CHUNK_BYTES, STALL_S, WINDOW_BYTES_MOST
from ..messages import (
    AskBlobs,
    BeginUpload,
    Chunk,
    ChunkAck,
    ChunkAgain,
    Fetch,
    FinishUpload,
    Held,
    Lacking,
    Limits,
    Message,
    Stored,
    UploadReady,
)
from ..transfer import Receiver, Window, read_chunk, verified_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ..codec import Buffer
    from ..jobs import BlobId
    from ..messages import DataMessage
    from .sessions import Session

__all__ = ["Answer", "BlobDesk", "BlobStore"]

_OPEN_FILES = 16


class BlobStore(Protocol):
    """Where the desk keeps files. The backend's blob store has these methods.

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
        """Promise room for its part until it is `stored` or `left`. Raises DiskFull, Busy."""

    def left(self, blob: BlobId, user: str) -> None:
        """Take note that its part is not written any more, and not whole."""

    def final(self, blob: BlobId, user: str) -> Path:
        """What its part is renamed to, in the same file system."""
        ...

    def stored(self, blob: BlobId, user: str) -> None:
        """Take note that it was."""
        ...

    def open_for_reading(self, blob: BlobId, user: str) -> int:
        """A descriptor of the complete file, which the desk closes. Raises UnknownBlob."""
        ...


class Answer(NamedTuple):
    """One message to send back; a chunk has its bytes with it."""

    message: Message
    payload: bytes | None = None


@dataclass
class _Upload:
    session: Session
    number: int
    receiver: Receiver
    window: Window
    heard_s: float


class BlobDesk:
    """Answers the data messages of all connections. Belongs to one thread.

    Only one connection at a time uploads a file. Another is told `busy`, unless it is the same
    client after a reconnect, or the first was silent for `stall_s`: then it takes over.
    """

    def __init__(
        self,
        store: BlobStore,
        *,
        clock: Callable[[], float],
        limits: Limits | None = None,
        stall_s: float = STALL_S,
    ) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits or Limits()
        self._stall_s = stall_s
        self._uploads: dict[str, _Upload] = {}  # sha256 -> who sends it
        self._files: OrderedDict[tuple[str, BlobId], int] = OrderedDict()

    @property
    def open_uploads(self) -> int:
        """How many uploads are under way."""
        return len(self._uploads)

    def handle(
        self, session: Session, message: DataMessage, payload: Buffer | None
    ) -> list[Answer]:
        """Answer one message. Raises ProtocolError: send it as a failure."""
        match message:
            case AskBlobs():
                return [self._ask(session, message)]
            case BeginUpload():
                return [self._begin(session, message)]
            case Chunk() if payload is not None:
                return [self._chunk(session, message, payload)]
            case FinishUpload():
                return [self._finish(session, message)]
            case Fetch():
                return [self._fetch(session, message)]
        raise UnexpectedMessage(
            f"A server takes no {type(message).__name__}.", type=type(message).__name__
        )

    def forget(self, session: Session) -> None:
        """Close what a connection left open; parts stay, to be resumed."""
        for upload in [u for u in self._uploads.values() if u.session is session]:
            self._drop(upload)
        for key in [k for k in self._files if k[0] == session.connection]:
            os.close(self._files.pop(key))

    def close_stalled(self, after_s: float) -> None:
        """Close uploads that were silent for so long (T8); parts stay."""
        now_s = self._clock()
        for upload in list(self._uploads.values()):
            if now_s - upload.heard_s > after_s:
                self._drop(upload)

    def close(self) -> None:
        """Close every file."""
        for upload in list(self._uploads.values()):
            self._drop(upload)
        while self._files:
            os.close(self._files.popitem()[1])

    def _ask(self, session: Session, message: AskBlobs) -> Answer:
        lacking = [
            Held(blob, verified_bytes(self._store.part(blob, session.user), blob))
            for blob in message.blobs
            if self._store.find(blob, session.user) is None
        ]
        return Answer(Lacking(message.id, lacking))

    def _begin(self, session: Session, message: BeginUpload) -> Answer:
        blob = message.blob
        if self._store.find(blob, session.user) is not None:
            return Answer(Stored(message.id, blob))
        if blob.size > self._limits.blob_bytes:
            raise TooLarge(
                f"The file has {blob.size} bytes; {self._limits.blob_bytes} are allowed.",
                size=blob.size,
                limit=self._limits.blob_bytes,
            )
        if other := self._uploads.get(blob.sha256):
            silent_s = self._clock() - other.heard_s
            if other.session.client_id != session.client_id and silent_s < self._stall_s:
                raise Busy("Another client is sending this file just now.", sha256=blob.sha256)
            self._drop(other)
        self._store.reserve(blob, session.user)
        try:
            receiver = Receiver(self._store.part(blob, session.user), blob)
        except BaseException:
            self._store.left(blob, session.user)
            raise
        window = Window(self._clock, most=min(self._limits.window_bytes, WINDOW_BYTES_MOST))
        upload = _Upload(session, message.id, receiver, window, self._clock())
        self._uploads[blob.sha256] = upload
        return Answer(UploadReady(message.id, receiver.offset, window.size))

    def _chunk(self, session: Session, message: Chunk, payload: Buffer) -> Answer:
        upload = self._find(session, message.transfer)
        upload.heard_s = self._clock()
        with self._dropping(upload):
            kept = upload.receiver.write(message, payload)
        if not kept:
            return Answer(ChunkAgain(message.transfer, message.offset, message.size))
        upload.window.verified(message.size)
        return Answer(ChunkAck(message.transfer, upload.receiver.offset, upload.window.size))

    def _finish(self, session: Session, message: FinishUpload) -> Answer:
        upload = self._find(session, message.transfer)
        blob = upload.receiver.blob
        with self._dropping(upload):
            upload.receiver.finish(self._store.final(blob, session.user))
            self._store.stored(blob, session.user)
        self._drop(upload)
        return Answer(Stored(message.id, blob))

    def _fetch(self, session: Session, message: Fetch) -> Answer:
        blob = message.blob
        if message.offset + message.size > blob.size or message.size > self._most():
            raise InvalidMessage(
                f"Bytes {message.offset} to {message.offset + message.size} are no range of a "
                f"file of {blob.size}, or more than {self._most()}.",
                field="size",
            )
        key = session.connection, blob
        if key not in self._files:
            if len(self._files) >= _OPEN_FILES:
                os.close(self._files.popitem(last=False)[1])
            self._files[key] = self._store.open_for_reading(blob, session.user)
        self._files.move_to_end(key)
        try:
            return Answer(*read_chunk(self._files[key], message.id, message.offset, message.size))
        except FileChanged as error:  # of a stored file: it is damaged on the disk
            os.close(self._files.pop(key))
            raise UnexpectedMessage(f"The stored file is damaged: {error.text}") from error

    def _most(self) -> int:
        return max(self._limits.chunk_bytes, CHUNK_BYTES)

    def _find(self, session: Session, number: int) -> _Upload:
        for upload in self._uploads.values():
            if upload.session is session and upload.number == number:
                return upload
        raise UnexpectedMessage("There is no such upload.", transfer=number)

    @contextlib.contextmanager
    def _dropping(self, upload: _Upload) -> Iterator[None]:
        """An error that ends a transfer closes it; a part that is of no use is gone already."""
        try:
            yield
        except InvalidMessage:
            raise  # the sender may do better
        except (ProtocolError, OSError):
            self._drop(upload)
            raise

    def _drop(self, upload: _Upload) -> None:
        upload.receiver.close()
        self._store.left(upload.receiver.blob, upload.session.user)
        self._uploads.pop(upload.receiver.blob.sha256, None)
