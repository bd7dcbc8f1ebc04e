"""What a server sends to its sessions, as far as they take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import codec
from ..limits import OPEN_FETCHES

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..messages import Message
    from .answers import Answers
    from .downloads import Piece
    from .routers import Routers
    from .sessions import Session

__all__ = ["Outgoing"]


class Outgoing:
    """Never waits. `gone` is called for a session whose peer is not there any more."""

    def __init__(
        self,
        routers: Routers,
        answers: Answers,
        gone: Callable[[Session], None],
        clock: Callable[[], float],
    ) -> None:
        self._routers = routers
        self._answers = answers
        self._gone = gone
        self._clock = clock

    def control(self, session: Session, message: Message) -> bool:
        """Send on the control socket; False, and noted in the session, when its queue is full."""
        frames = self._answers.frames("control", message)
        sent = self._routers.send("control", session.control, frames)
        if sent:
            session.full_since_s = None
        elif sent is None:
            self._gone(session)
        elif session.full_since_s is None:
            session.full_since_s = self._clock()
        return bool(sent)

    def reply(self, session: Session, number: int, answer: Message | Exception) -> None:
        """Answer a data message later than at once."""
        if isinstance(answer, Exception):
            answer = self._answers.failure(number, answer)
        self.answer(session, answer)

    def answer(self, session: Session, message: Message) -> None:
        """Answer on the data socket, where no answer is lost: what finds no room goes before the
        next piece. Who lets them pile up does not read, and is closed."""
        session.unsent.append(self._answers.frames("data", message))
        if len(session.unsent) > OPEN_FETCHES:
            self._gone(session)
        self.rest(session)

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
