"""What a server sends to its sessions, as far as they take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import codec
from ..limits import OPEN_FETCHES
from ..messages import ChunkAck, ChunkAgain, Failure, Pong, Preview, UploadReady, Welcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..messages import Message
    from .answers import Answers, Which
    from .downloads import Piece
    from .durability import Durability
    from .routers import Routers
    from .sessions import Session

__all__ = ["Outgoing"]

# What tells nothing of what was written down, and so need not wait for the disk.
_PROMISES_NOTHING = (ChunkAck, ChunkAgain, Failure, Pong, Preview, UploadReady, Welcome)
_MOST_HELD = 4096  # messages, in all; then no more requests are taken


class Outgoing:
    """Never waits. `gone` is called for a session whose peer is not there any more.

    A message that tells of something that is not safe on disk yet is held until it is; others of
    its session pass by.
    """

    def __init__(
        self,
        routers: Routers,
        answers: Answers,
        gone: Callable[[Session], None],
        clock: Callable[[], float],
        durability: Durability,
    ) -> None:
        self._routers = routers
        self._answers = answers
        self._gone = gone
        self._clock = clock
        self._durability = durability
        self._n_held = 0

    @property
    def takes_more(self) -> bool:
        """Whether requests may be answered: the disk keeps up."""
        return self._n_held < _MOST_HELD

    def control(self, session: Session, message: Message) -> bool:
        """Send on the control socket, or hold it; False, and noted in the session, when its queue
        is full."""
        if self._is_held("control", session, message):
            return True
        while session.late:
            if not self._control(session, session.late[0]):
                return False
            session.late.popleft()
        return self._control(session, message)

    def reply(self, session: Session, number: int, answer: Message | Exception) -> None:
        """Answer a data message later than at once."""
        if isinstance(answer, Exception):
            answer = self._answers.failure(number, answer)
        self.answer(session, answer)

    def answer(self, session: Session, message: Message) -> None:
        """Answer on the data socket, where no answer is lost: what finds no room goes before the
        next piece. Who lets them pile up does not read, and is closed."""
        if not self._is_held("data", session, message):
            self._answer(session, message)

    def rest(self, session: Session) -> bool:
        """Send the answers that found no room; whether pieces may follow."""
        while session.unsent and session.data is not None:
            sent = self._routers.send("data", session.data, session.unsent[0])
            if sent is None:
                self._gone(session)
            if not sent:
                return False
            session.unsent.popleft()
        return True

    def piece(self, session: Session, piece: Piece) -> Callable[[], bool] | None:
        """Send a piece of a file, and return what tells whether its bytes have left the process;
        None: there is no room now."""
        if not self.rest(session):
            return None
        header = codec.encode_data(piece.chunk, piece.payload)[0]
        sent = self._routers.send_chunk(session.data or b"", header, piece.payload)
        if sent is None:
            self._gone(session)
        return sent if callable(sent) else None

    def _control(self, session: Session, message: Message) -> bool:
        frames = self._answers.frames("control", message)
        sent = self._routers.send("control", session.control, frames)
        if sent:
            session.full_since_s = None
        elif sent is None:
            self._gone(session)
        elif session.full_since_s is None:
            session.full_since_s = self._clock()
        return bool(sent)

    def _answer(self, session: Session, message: Message) -> None:
        session.unsent.append(self._answers.frames("data", message))
        if len(session.unsent) > OPEN_FETCHES:
            self._gone(session)
        self.rest(session)

    def _is_held(self, which: Which, session: Session, message: Message) -> bool:
        """Hold a message if it must wait."""
        durability = self._durability
        if durability.safe == durability.mark or isinstance(message, _PROMISES_NOTHING):
            return False
        self._n_held += 1

        def send() -> None:
            self._n_held -= 1
            if not session.is_open:
                return
            if which == "data":
                self._answer(session, message)
            elif session.late or not self._control(session, message):
                session.late.append(message)

        durability.then(send)
        return True
