"""The server's side of uploads and downloads: who answers which message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import UnexpectedMessage
from ..limits import STALL_S
from ..messages import AskBlobs, BeginUpload, Chunk, Fetch, FinishUpload
from .disk_thread import DiskThread
from .downloads import Downloads
from .uploads import Uploads

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..codec import Buffer
    from ..messages import DataMessage, Limits, Message
    from .blob_store import BlobStore
    from .downloads import Send
    from .sessions import Session
    from .uploads import Reply

__all__ = ["BlobTransfers"]

_MOST_WAITING_BYTES = 64 << 20  # of chunks, for the disk; then no data messages are taken
_FORGET_STALLS = 3  # T8: a peer that is connected and silent keeps nothing open for longer


class BlobTransfers:
    """Answers the data messages of all connections. Belongs to one thread, and leaves to two
    others what a disk keeps waiting, so that a request never does (H7).

    `reply` gets the answers that are not ready at once.
    """

    def __init__(
        self,
        store: BlobStore,
        reply: Reply,
        send: Send,
        *,
        clock: Callable[[], float],
        limits: Limits,
        stall_s: float = STALL_S,
    ) -> None:
        self._forget_s = _FORGET_STALLS * stall_s
        self._disks = DiskThread("EX-4D uploads"), DiskThread("EX-4D downloads")
        self.uploads = Uploads(
            store, self._disks[0], reply, clock=clock, limits=limits, stall_s=stall_s
        )
        self.downloads = Downloads(store, self._disks[1], reply, send, clock=clock, limits=limits)

    def filenos(self) -> list[int]:
        """What is readable when `step` has something to do."""
        return [disk.fileno() for disk in self._disks]

    @property
    def takes_more(self) -> bool:
        """Whether `handle` may be called: the disk keeps up."""
        return self.uploads.waiting_bytes < _MOST_WAITING_BYTES

    def handle(
        self, session: Session, message: DataMessage, payload: Buffer | None
    ) -> Message | None:
        """Answer one message now, or later with `reply`. Raises ProtocolError: send it as a
        failure, and ConnectionAbortedError for a peer that asks on and on and does not read."""
        match message:
            case AskBlobs():
                return self.uploads.ask(session, message)
            case BeginUpload():
                return self.uploads.begin(session, message)
            case Chunk() if payload is not None:
                self.uploads.chunk(session, message, payload)
            case FinishUpload():
                self.uploads.finish(session, message)
            case Fetch():
                if not self.downloads.fetch(session, message):
                    raise ConnectionAbortedError
            case _:
                raise UnexpectedMessage(
                    f"A server takes no {type(message).__name__}.", type=type(message).__name__
                )
        return None

    def step(self) -> None:
        """Answer what is done, and send what peers have room for."""
        for disk in self._disks:
            disk.take()
        self.downloads.step()

    def stalled(self) -> list[Session]:
        """Close uploads that bring nothing; the connections that hold memory and do not read."""
        self.uploads.close_stalled(self._forget_s)
        return self.downloads.stuck(self._forget_s)

    def forget(self, session: Session) -> None:
        """Close what a connection left open; parts stay, to be resumed."""
        self.uploads.forget(session)
        self.downloads.forget(session)

    def close(self) -> None:
        """Close every file."""
        self.uploads.close()
        self.downloads.close()
        for disk in self._disks:
            disk.close()
