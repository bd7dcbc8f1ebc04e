"""The server's side of uploads, without sockets."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import Busy, InvalidMessage, TooLarge, UnexpectedMessage
from ..limits import WINDOW_BYTES_MOST
from ..messages import ChunkAck, ChunkAgain, Held, Lacking, Stored, UploadReady
from ..transfer import Receiver, Window, verified_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..codec import Buffer
    from ..messages import AskBlobs, BeginUpload, Chunk, FinishUpload, Limits, Message
    from ..messages.jobs import BlobId
    from .blob_store import BlobStore
    from .disk_thread import DiskThread
    from .sessions import Session

    # Takes the session, the number of the request, and its answer.
    Reply = Callable[[Session, int, Message | Exception], None]

__all__ = ["Uploads"]

_MOST_OPEN = 256  # in all; each has a descriptor
_STEP_BYTES = 32 << 20  # that are hashed before another file has its turn
_CHUNK_COST = 1024  # bytes of memory that a chunk takes beside its own


@dataclass(eq=False)
class _Upload:
    session: Session
    number: int
    blob: BlobId
    window: Window
    moved_s: float  # when it brought a new byte last
    receiver: Receiver | None = None  # none: its file is being opened
    is_finishing: bool = False  # it waits for our disk, and not for its client
    is_dropped: bool = False

    @property
    def holder(self) -> str:
        """Who answers for it: a key; without keys, a connection."""
        return self.session.user or self.session.connection


class Uploads:
    """Takes files in. The disk's work is done by its thread, and answered when that is done.

    Only one connection at a time uploads a file of a user. Another is told `busy`, unless it is
    the same client after a reconnect, or the first brought nothing new for `stall_s`: then it
    takes over.
    """

    def __init__(
        self,
        store: BlobStore,
        disk: DiskThread,
        reply: Reply,
        *,
        clock: Callable[[], float],
        limits: Limits,
        stall_s: float,
    ) -> None:
        self.waiting_bytes = 0  # of chunks that the disk has not taken yet
        self._store = store
        self._disk = disk
        self._reply = reply
        self._clock = clock
        self._limits = limits
        self._stall_s = stall_s
        self._open: dict[tuple[str, str], _Upload] = {}  # by user and sha256

    def __len__(self) -> int:
        return len(self._open)

    def ask(self, session: Session, message: AskBlobs) -> Message:
        """Which of these files must be sent."""
        user = session.user
        lacking = [
            Held(blob, verified_bytes(self._store.part(blob, user), blob))
            for blob in message.blobs
            if self._store.find(blob, user) is None
        ]
        return Lacking(message.id, lacking)

    def begin(self, session: Session, message: BeginUpload) -> Message | None:
        """Open an upload, or say that there is no need. Raises TooLarge, Busy, DiskFull."""
        blob, user = message.blob, session.user
        if self._store.find(blob, user) is not None:
            return Stored(message.id, blob)
        if blob.size > self._limits.blob_bytes:
            raise TooLarge(
                f"The file has {blob.size} bytes; {self._limits.blob_bytes} are allowed.",
                size=blob.size,
                limit=self._limits.blob_bytes,
            )
        if other := self._open.get((user, blob.sha256)):
            silent_s = self._clock() - other.moved_s
            is_same = other.session.client_id == session.client_id
            if other.is_finishing or (not is_same and silent_s < self._stall_s):
                raise Busy("Another client is sending this file just now.", sha256=blob.sha256)
            self._drop(other)
        window = Window(self._clock, most=min(self._limits.window_bytes, WINDOW_BYTES_MOST))
        # To begin again and again brings nothing, either (H15).
        moved_s = other.moved_s if other and is_same else self._clock()
        upload = _Upload(session, message.id, blob, window, moved_s)
        self._check_count(upload.holder)
        self._store.reserve(blob, user)
        self._open[user, blob.sha256] = upload
        part = self._store.part(blob, user)
        self._disk.put(lambda: Receiver(part, blob), lambda made: self._opened(upload, made))
        return None

    def chunk(self, session: Session, message: Chunk, payload: Buffer) -> None:
        """Have a piece written and acknowledged. Raises UnexpectedMessage."""
        upload, receiver = self._find(session, message.transfer)
        cost = message.size + _CHUNK_COST
        self.waiting_bytes += cost

        def write() -> tuple[bool, bool]:
            """Whether the bytes were undamaged, and whether any was new."""
            _check_open(upload)
            before = receiver.n_verified
            return receiver.write(message, payload), receiver.n_verified > before

        def written(result: tuple[bool, bool] | Exception) -> None:
            self.waiting_bytes -= cost
            if isinstance(result, Exception):
                self._fail(upload, message.transfer, result)
                return
            is_right, is_new = result
            if is_new:
                upload.moved_s = self._clock()
            if not is_right:
                answer: Message = ChunkAgain(message.transfer, message.offset, message.size)
            else:
                upload.window.verified(message.size)
                answer = ChunkAck(message.transfer, receiver.offset, upload.window.size)
            self._reply(session, message.transfer, answer)

        self._disk.put(write, written)

    def finish(self, session: Session, message: FinishUpload) -> None:
        """Have the whole checked and put in its place. Raises UnexpectedMessage."""
        upload, receiver = self._find(session, message.transfer)
        if upload.is_finishing:
            raise UnexpectedMessage("This upload is being finished.", transfer=message.transfer)
        upload.is_finishing = True
        self._finish(upload, receiver, message.id)

    def _finish(self, upload: _Upload, receiver: Receiver, number: int) -> None:
        """Hash a step of what is not hashed yet, or all of the rest is done: then the end."""
        blob, user = upload.blob, upload.session.user

        def check() -> bool:
            _check_open(upload)
            if receiver.complete and not receiver.catch_up(_STEP_BYTES):
                return False
            receiver.finish(self._store.final(blob, user))
            return True

        def checked(result: bool | Exception) -> None:
            if result is False:
                self._finish(upload, receiver, number)
                return
            try:
                if isinstance(result, Exception):
                    raise result
                self._store.note_stored(blob, user)
            except Exception as error:  # told to the client by `reply`, as every other
                upload.is_finishing = False
                self._fail(upload, number, error)
                return
            self._drop(upload)
            self._reply(upload.session, number, Stored(number, blob))

        self._disk.put(check, checked)

    def forget(self, session: Session) -> None:
        """Close what a connection left open; parts stay, to be resumed."""
        for upload in [u for u in self._open.values() if u.session is session]:
            self._drop(upload)

    def close_stalled(self, after_s: float) -> None:
        """Close uploads that brought nothing new for so long (T8); parts stay."""
        now_s = self._clock()
        for upload in list(self._open.values()):
            if now_s - upload.moved_s > after_s and not upload.is_finishing:
                self._drop(upload)

    def close(self) -> None:
        """Close all."""
        for upload in list(self._open.values()):
            self._drop(upload)

    def _check_count(self, holder: str) -> None:
        """H6: each upload holds a descriptor and room on the disk."""
        most = self._limits.open_uploads
        if Counter(upload.holder for upload in self._open.values())[holder] >= most:
            raise Busy(f"This client has {most} uploads open, and no more are allowed.", limit=most)
        if len(self._open) >= _MOST_OPEN:
            raise Busy(f"The server has {_MOST_OPEN} uploads open.", limit=_MOST_OPEN)

    def _opened(self, upload: _Upload, made: Receiver | Exception) -> None:
        if isinstance(made, Exception):
            self._fail(upload, upload.number, made)
        elif upload.is_dropped:  # meanwhile
            self._disk.put_close(made.close)
        else:
            upload.receiver = made
            ready = UploadReady(upload.number, made.offset, upload.window.size)
            self._reply(upload.session, upload.number, ready)

    def _find(self, session: Session, number: int) -> tuple[_Upload, Receiver]:
        for upload in self._open.values():
            if upload.session is session and upload.number == number and upload.receiver:
                return upload, upload.receiver
        raise UnexpectedMessage("There is no such upload.", transfer=number)

    def _fail(self, upload: _Upload, number: int, error: Exception) -> None:
        """Tell of an error; all but a wrong message, of which the sender may do better, end the
        transfer. A part that is of no use is gone already."""
        if not isinstance(error, InvalidMessage):
            self._drop(upload)
        self._reply(upload.session, number, error)

    def _drop(self, upload: _Upload) -> None:
        if upload.is_dropped:
            return
        upload.is_dropped = True
        del self._open[upload.session.user, upload.blob.sha256]
        self._store.note_abandoned(upload.blob, upload.session.user)
        if (receiver := upload.receiver) is not None:
            # One without a byte is not worth keeping: anybody could leave any number (H6).
            self._disk.put_close(receiver.close if receiver.n_verified else receiver.discard)


def _check_open(upload: _Upload) -> None:
    if upload.is_dropped:
        raise UnexpectedMessage("There is no such upload.", transfer=upload.number)
