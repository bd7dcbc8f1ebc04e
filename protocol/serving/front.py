"""The face of a server: its sockets with all that every server does the same way.

It greets, decodes, leaves files to the blob desk, turns errors into failures, closes connections
that are dead, silent, greedy or no longer authorised, and forgets peers that are gone. What
control messages mean is the server's own: it gives a function that answers them.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import zmq
from msgspec import structs

from .. import codec
from ..errors import Busy, NotAuthorised, ProtocolError
from ..limits import (
    CHUNK_BYTES_MOST,
    CONTROL_BYTES,
    DATA_HEADER_BYTES,
    PONG_S,
)
from ..messages import Hello, Limits, Ping, Pong
from .blob_desk import BlobDesk
from .connections import Connections
from .routers import IO_THREADS, Routers
from .sessions import Sessions
from .zap import ZapHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    from ..keys import KeyPair
    from ..messages import ControlMessage, EngineInfo, EstimatorInfo, Message
    from .blob_store import BlobStore
    from .connections import Connection
    from .downloads import Piece
    from .routers import Received
    from .sessions import Session

__all__ = ["Front", "FrontSettings", "Which"]

_log = logging.getLogger("ex4d.server.front")
Which = Literal["control", "data"]
_AT_ONCE = {"control": 32, "data": 2}  # messages of a socket before the other has its turn (H7)
_LOOK_S = 0.5  # between two looks at the connections
_BUSY_S = 0.002  # between two looks whether peers have read what was sent to them
_UNREAD_S = 10.0  # a peer that asks and has not read answers for so long is closed (H12)
_UNREADABLE = frozenset({"invalid_message", "unknown_type", "too_large"})
_MOST_SESSIONS = 4096


@dataclass(frozen=True)
class FrontSettings:
    """Where a server listens, whom it lets in, and what it says of itself."""

    bind: str  # tcp://HOST:PORT; port 0: any
    server_name: str
    server_version: str
    capabilities: Sequence[str]
    engines: Sequence[EngineInfo] = ()
    estimators: Sequence[EstimatorInfo] = ()
    keys: KeyPair | None = None  # none: not encrypted, loopback only
    authorised: Callable[[], Container[str]] = field(default=lambda: frozenset())
    data_port: int | None = None  # default: the port after control's
    limits: Limits = field(default_factory=Limits)
    pong_s: float = PONG_S  # how often it tells its clients that it is there, and who is gone

    def __post_init__(self) -> None:
        """Without keys all clients are one, and only the limit in all holds."""
        if self.keys is None:
            limits = structs.replace(self.limits, connections=_MOST_SESSIONS)
            object.__setattr__(self, "limits", limits)


class Front:
    """Owns the sockets; belongs to one thread, which polls `sockets()` and `filenos()` and calls
    `serve`.

    Raises EncryptionRequired for a bind that others can reach without keys, InvalidArgument for a
    bind that is none, zmq.ZMQError when a port is taken.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        settings: FrontSettings,
        store: BlobStore,
        answer: Callable[[Session, ControlMessage], Message],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._answer_control = answer
        self._clock = clock
        self._pong_s = settings.pong_s
        self._pong_at_s = self._look_at_s = 0.0
        self._doomed: dict[int, Connection] = {}  # by descriptor: closed at the next look
        context.set(zmq.IO_THREADS, IO_THREADS)  # before its first socket, or without effect
        keys = settings.keys
        self._authorised = settings.authorised if keys else None
        self._zap = ZapHandler(context, settings.authorised) if keys else None
        try:
            self.routers = Routers(context, settings.bind, keys=keys, data_port=settings.data_port)
        except BaseException:
            if self._zap is not None:
                self._zap.close()
            raise
        self.sessions = Sessions(
            server_name=settings.server_name,
            server_version=settings.server_version,
            data_port=self.routers.data_port,
            limits=settings.limits,
            capabilities=settings.capabilities,
            engines=settings.engines,
            estimators=settings.estimators,
        )
        largest = CONTROL_BYTES, CHUNK_BYTES_MOST + DATA_HEADER_BYTES
        ports = self.routers.port, self.routers.data_port
        self.connections = Connections(dict(zip(ports, largest, strict=True)), clock)
        self.desk = BlobDesk(
            store, self._reply, self._send_piece, clock=clock, limits=settings.limits
        )

    def sockets(self) -> list[zmq.Socket[Any]]:
        """What to poll for reading."""
        sockets: list[zmq.Socket[Any]] = [self.routers.control]
        if self.desk.takes_more:
            sockets.append(self.routers.data)
        return sockets if self._zap is None else [*sockets, self._zap.socket]

    def filenos(self) -> list[int]:
        """Descriptors to poll for reading, beside the sockets."""
        return self.desk.filenos()

    def timeout_s(self) -> float:
        """How long `serve` need not be called while nothing arrives."""
        due_s = min(self._pong_at_s, self._look_at_s) - self._clock()
        return max(0.0, min(due_s, _BUSY_S) if self.desk.downloads.is_busy else due_s)

    def serve(self) -> None:
        """Handle what has arrived; never waits."""
        self.connections.make_room()
        if self._zap is not None and self._zap.socket.poll(0):
            self._zap.handle()
        self._serve("control")
        if self.desk.takes_more:
            self._serve("data")
        self.desk.step()
        now_s = self._clock()
        if now_s >= self._look_at_s:
            self._look_at_s = now_s + _LOOK_S
            self._look()
        if now_s >= self._pong_at_s:
            self._pong_at_s = now_s + self._pong_s
            for session in self.sessions.all():
                self._send(session, Pong(0))

    def push(self, session: Session, message: Message) -> bool:
        """Send a control message that is no reply; False when the peer takes none now."""
        return session.full_since_s is None and self._send(session, message)

    def close(self) -> None:
        """Close the sockets; what is not sent is dropped, parts of transfers stay."""
        self.desk.close()
        self.routers.close()
        if self._zap is not None:
            self._zap.close()

    def answer(self, which: Which, received: Received) -> Message | None:
        """What to send back for one message now; None: nothing, or later."""
        number = codec.number_of(received.frames)
        try:
            if which == "control":
                return self._control(received)
            return self._data(received)
        except ConnectionAbortedError:
            self._gone_of(which, received)
            return None
        except Exception as error:  # the one handler of the connection
            is_noise = isinstance(error, ProtocolError) and error.code in _UNREADABLE
            is_stranger = self.sessions.at(which, received.peer) is None
            if (is_noise or is_stranger) and not self.sessions.invalid(which, received.peer):
                self._doom(which, received)
            if isinstance(error, Busy) and is_stranger:
                self._doom(which, received)
            return _failure(number, error)

    def _serve(self, which: Which) -> None:
        for _ in range(_AT_ONCE[which]):
            received = self.routers.receive(which)
            if received is None:
                return
            self.connections.heard(received.descriptor)
            if self._is_doomed(received) or (which == "control" and self._is_unread(received)):
                continue
            answer = self.answer(which, received)
            if answer is None:
                continue
            session = self.sessions.at(which, received.peer)
            if which == "control" and session is not None:
                self._send(session, answer)
            else:
                self.routers.send(which, received.peer, _encoded(which, answer))

    def _control(self, received: Received) -> Message:
        message = codec.decode_control(received.frames)
        if isinstance(message, Hello):
            return self._greet("control", received, message)
        session = self.sessions.of("control", received)
        self.sessions.valid("control", received.peer)
        if isinstance(message, Ping):
            return Pong(message.id)
        return self._answer_control(session, message)

    def _data(self, received: Received) -> Message | None:
        message, payload = codec.decode_data(received.frames)
        if isinstance(message, Hello):
            return self._greet("data", received, message)
        session = self.sessions.of("data", received)
        self.sessions.valid("data", received.peer)
        return self.desk.handle(session, message, payload)

    def _greet(self, which: Which, received: Received, hello: Hello) -> Message:
        if self._authorised is not None and received.user not in self._authorised():
            raise NotAuthorised("This key was revoked.")
        if len(self.sessions) >= _MOST_SESSIONS:
            raise Busy(f"The server has {_MOST_SESSIONS} connections.", limit=_MOST_SESSIONS)
        before = self.sessions.at(which, received.peer)
        welcome = self.sessions.greet(which, received, hello)
        if before is not None:  # whose routing id was taken over: its connection is closed
            self._gone(before)
        self.sessions.valid(which, received.peer)
        connection = self.connections.greeted(received.descriptor)
        if connection is not None:
            self.sessions.of(which, received).by[which] = connection
        return welcome

    def _look(self) -> None:
        """Close connections that nobody should have, or that hold what others need."""
        for connection in self._doomed.values():
            self.connections.cut(connection)
        self._doomed.clear()
        self.connections.look(_LOOK_S, has_read_all=self.desk.takes_more)
        for session in self.desk.stalled():
            self._gone(session)
        if self._authorised is None:
            return
        authorised = self._authorised()
        for session in self.sessions.all():
            if session.user not in authorised:
                _log.warning("%s is no longer authorised: its connection is closed", session.user)
                self._gone(session)

    def _is_unread(self, received: Received) -> bool:
        """Whether a peer's queue is full of answers that it does not read: then its requests are
        not done, since their answers would be lost, and after a while its connection is closed."""
        session = self.sessions.at("control", received.peer)
        if session is None or session.full_since_s is None:
            return False
        if self._clock() - session.full_since_s > _UNREAD_S:
            self._gone(session)
        return True

    def _doom(self, which: Which, received: Received) -> None:
        """Hear a peer no more, and close its connection when it had time to read why."""
        if (session := self.sessions.at(which, received.peer)) is not None:
            self.desk.forget(session)
            self.sessions.forget(session)
        if (connection := self.connections.of(received.descriptor)) is not None:
            self._doomed[received.descriptor] = connection

    def _is_doomed(self, received: Received) -> bool:
        doomed = self._doomed.get(received.descriptor)
        return doomed is not None and self.connections.of(received.descriptor) is doomed

    def _send(self, session: Session, message: Message) -> bool:
        sent = self.routers.send("control", session.control, _encoded("control", message))
        if sent:
            session.full_since_s = None
        elif sent is None:
            self._gone(session)
        elif session.full_since_s is None:
            session.full_since_s = self._clock()
        return bool(sent)

    def _reply(self, session: Session, number: int, answer: Message | Exception) -> None:
        """Answer a data message later."""
        message = _failure(number, answer) if isinstance(answer, Exception) else answer
        if session.data is not None:
            self.routers.send("data", session.data, _encoded("data", message))

    def _send_piece(self, session: Session, piece: Piece) -> Callable[[], bool] | None:
        header = codec.encode_data(piece.chunk, piece.payload)[0]
        sent = self.routers.send_chunk(session.data or b"", header, piece.payload)
        if sent is None:
            self._gone(session)
        return sent if callable(sent) else None

    def _gone_of(self, which: Which, received: Received) -> None:
        session = self.sessions.at(which, received.peer)
        if session is not None:
            self._gone(session)

    def _gone(self, session: Session) -> None:
        """Forget a session, and close what it has left of its two connections."""
        self.desk.forget(session)
        self.sessions.forget(session)
        for connection in session.by.values():
            self.connections.cut(connection)


def _encoded(which: Which, message: Message) -> list[codec.Buffer]:
    """The frames of a message; of one that breaks a limit, those of a failure."""
    try:
        if which == "control":
            return [codec.encode_control(message)]
        return codec.encode_data(message)
    except ProtocolError as error:
        _log.error("an answer cannot be sent: %s", error.text)
        return [codec.encode_control(codec.failure_of(getattr(message, "reply_to", 0), error))]


def _failure(number: int, error: Exception) -> Message:
    """What to tell of an error; of one that nobody has foreseen, only that the log has it."""
    if not isinstance(error, ProtocolError):
        _log.error("a request could not be answered", exc_info=error)
        error = ProtocolError("The server could not do this; its log says why.")
    return codec.failure_of(number, error)
