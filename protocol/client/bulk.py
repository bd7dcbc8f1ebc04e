"""Whole files over the data socket of a client, over lost connections too."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from .. import codec
from ..errors import (
    Busy,
    ChecksumMismatch,
    DiskFull,
    FileChanged,
    InvalidMessage,
    LinkError,
    ProtocolError,
    Refused,
    UnexpectedMessage,
)
from ..messages import (
    AskBlobs,
    BeginUpload,
    Chunk,
    ChunkAck,
    ChunkAgain,
    Failure,
    Fetch,
    FinishUpload,
    Lacking,
    Message,
    Stored,
    UploadReady,
)
from ..transfer import FetchPlan, Receiver, Sender, Window, blob_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..messages.jobs import BlobId
    from .conversation import Conversation
    from .link import DataFrame, Link

__all__ = ["download", "upload"]

_MODE = 0o666  # of fetched files, less the umask: others of the project open them
_POLL_S = 0.05
_T = TypeVar("_T")


def upload(
    conversation: Conversation, path: str | Path, on_progress: Callable[[int, int], None]
) -> BlobId:
    """See `Client.upload`."""
    blob = blob_of(path, lambda _: conversation.idle())
    transfer = _Upload(conversation, path, blob, on_progress)
    try:
        return transfer.run()
    except ChecksumMismatch:
        if blob_of(path, lambda _: conversation.idle()) != blob:
            raise FileChanged("The file changed while it was sent.", path=str(path)) from None
        return _Upload(
            conversation, path, blob, on_progress
        ).run()  # T4: a damaged part is gone now


def download(
    conversation: Conversation, blob: BlobId, target: Path, on_progress: Callable[[int, int], None]
) -> Path:
    """See `Client.download`."""
    target = Path(target)
    try:
        return _Download(conversation, blob, target, on_progress).run()
    except ChecksumMismatch:  # T4: the part from an earlier attempt was damaged; it is gone now
        return _Download(conversation, blob, target, on_progress).run()


class _Transfer:
    """Tries again on a new connection until nothing moved for too long."""

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self._moved_s = time.monotonic()
        self._began_s = self._moved_s  # of this attempt
        self._stall_s = conversation.timeouts.stall_s

    def moved(self) -> None:
        """Note that bytes were verified."""
        self._moved_s = time.monotonic()

    def persist(self, once: Callable[[Link], _T]) -> _T:
        """Run `once` until it returns. Raises its errors, LinkError only after `patience_s`."""
        while True:
            deadline_s = self._moved_s + self.conversation.timeouts.patience_s
            self._began_s = time.monotonic()
            try:
                return once(self.conversation.link(deadline_s))
            except (LinkError, Busy, UnexpectedMessage) as error:
                # UnexpectedMessage: the server forgot the upload, after a stall, say
                if time.monotonic() >= deadline_s:
                    raise
                if isinstance(error, LinkError):
                    self.conversation.drop()
            self.conversation.pause(self.conversation.backoff.next_s())

    def stalled(self) -> bool:
        """Whether too long no byte was verified. Each time it is, the next wait is twice as long:
        a chunk may need that on a slow link."""
        if time.monotonic() - max(self._moved_s, self._began_s) < self._stall_s:
            return False
        self._stall_s *= 2
        return True

    def frames(self, link: Link, wait_s: float) -> list[DataFrame]:
        """What arrived on the data socket. Raises LinkError when the connection is gone."""
        self.conversation.pump(wait_s, link)
        frames = list(link.data)
        link.data.clear()
        return frames

    def reply(self, link: Link, request: Message, timeout_s: float) -> Message:
        """Send a request over the data socket and wait for its answer."""
        number: int = request.id  # type: ignore[attr-defined]  # every request has one
        if not link.send_data(request):
            raise LinkError("The data connection is stuck.")
        deadline_s = time.monotonic() + timeout_s
        while time.monotonic() < deadline_s:
            for frame in self.frames(link, _POLL_S):
                if getattr(frame.message, "reply_to", None) == number:
                    _raise_failure(frame.message)
                    return frame.message
        raise LinkError("The server does not answer on the data connection.")


class _Upload(_Transfer):
    def __init__(
        self,
        conversation: Conversation,
        path: str | Path,
        blob: BlobId,
        on_progress: Callable[[int, int], None],
    ) -> None:
        super().__init__(conversation)
        self._path = path
        self._blob = blob
        self._on_progress = on_progress

    def run(self) -> BlobId:
        return self.persist(self._once)

    def _once(self, link: Link) -> BlobId:
        conversation, blob = self.conversation, self._blob
        ask = AskBlobs(conversation.number(), [blob])
        answer = self.reply(link, ask, conversation.timeouts.stall_s)
        if isinstance(answer, Lacking) and not answer.blobs:
            self._on_progress(blob.size, blob.size)
            return blob
        begin = BeginUpload(conversation.number(), blob)
        answer = self.reply(link, begin, conversation.timeouts.stall_s)
        if isinstance(answer, UploadReady):
            with Sender(self._path, blob, chunk_bytes=link.welcome.limits.chunk_bytes) as sender:
                sender.start(begin.id, answer.offset, answer.window_bytes)
                self._send(link, sender, begin.id)
            finish = FinishUpload(conversation.number(), begin.id)
            answer = self.reply(link, finish, conversation.timeouts.finish_s)
        if not isinstance(answer, Stored):
            raise InvalidMessage(f"The server answered with {type(answer).__name__}.")
        self._on_progress(blob.size, blob.size)
        return blob

    def _send(self, link: Link, sender: Sender, number: int) -> None:
        waiting: tuple[Chunk, bytes] | None = None
        while not sender.done:
            waiting = waiting or sender.next()
            while waiting and link.send_data(*waiting):
                waiting = sender.next()
            before = sender.verified
            for message, _ in self.frames(link, _POLL_S):
                self._take(sender, number, message)
            if sender.verified > before:
                self.moved()
                self._on_progress(sender.verified, self._blob.size)
            elif self.stalled():
                raise LinkError("The upload stalled.")

    def _take(self, sender: Sender, number: int, message: Message) -> None:
        if isinstance(message, ChunkAck):
            sender.on_ack(message)
        elif isinstance(message, ChunkAgain):
            sender.on_again(message)
        elif isinstance(message, Failure) and message.reply_to == number:
            _raise_failure(message)


class _Download(_Transfer):
    def __init__(
        self,
        conversation: Conversation,
        blob: BlobId,
        target: Path,
        on_progress: Callable[[int, int], None],
    ) -> None:
        super().__init__(conversation)
        self._blob = blob
        self._target = target
        self._on_progress = on_progress

    def run(self) -> Path:
        part = self._target.with_name(f".{self._target.name}.{self._blob.sha256[:8]}.part")
        with Receiver(part, self._blob, mode=_MODE) as receiver:
            try:
                self.persist(lambda link: self._once(link, receiver))
                receiver.finish(self._target)
            except (Refused, DiskFull):
                receiver.discard()
                raise
        return self._target

    def _once(self, link: Link, receiver: Receiver) -> None:
        limits = link.welcome.limits
        window = Window(time.monotonic, most=limits.window_bytes)
        plan = FetchPlan(receiver.offset, self._blob.size, limits.chunk_bytes)
        while not receiver.complete:
            self._ask_ahead(link, plan, window)
            before = receiver.offset
            for frame in self.frames(link, _POLL_S):
                self._take(frame, plan, receiver, window)
            if receiver.offset > before:
                self.moved()
                self._on_progress(receiver.offset, self._blob.size)
            elif self.stalled():
                raise LinkError("The download stalled.")

    def _ask_ahead(self, link: Link, plan: FetchPlan, window: Window) -> None:
        number = self.conversation.number()
        while asked := plan.next(number, window.size):
            if not link.send_data(Fetch(number, self._blob, *asked)):
                plan.arrived(number, *asked)
                plan.ask_again(*asked)
                return
            number = self.conversation.number()

    def _take(self, frame: DataFrame, plan: FetchPlan, receiver: Receiver, window: Window) -> None:
        chunk, payload = frame
        if isinstance(chunk, Failure) and plan.is_open(chunk.reply_to):
            _raise_failure(chunk)
        if not isinstance(chunk, Chunk) or payload is None:
            return
        if not plan.arrived(chunk.transfer, chunk.offset, chunk.size):
            return  # asked for before a reconnect, or never
        if receiver.write(chunk, payload):
            window.verified(chunk.size)
        else:
            plan.ask_again(chunk.offset, chunk.size)


def _raise_failure(message: Message) -> None:
    if isinstance(message, Failure):
        error: ProtocolError = codec.error_of(message)
        raise error
