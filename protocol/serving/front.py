"""The face of a server: its sockets with all that every server does the same way.

It greets, decodes, answers data messages from the blob store, turns errors into failures, keeps
data for peers whose queue is full, and forgets peers that are gone. What control messages mean is
the server's own: it gives a function that answers them.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from .. import codec
from ..errors import ProtocolError, UnexpectedMessage
from ..limits import OPEN_FETCHES, STALL_S
from ..messages import Hello, Limits, Ping, Pong
from .blob_desk import BlobDesk
from .routers import Heartbeat, Routers
from .sessions import Sessions
from .zap import ZapHandler

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Sequence

    import zmq

    from ..keys import KeyPair
    from ..messages import ControlMessage, EngineInfo, EstimatorInfo, Message
    from .blob_desk import BlobStore
    from .routers import Received
    from .sessions import Session

__all__ = ["Front", "FrontSettings", "Which"]

_log = logging.getLogger("ex4d.server.front")
Which = Literal["control", "data"]
_AT_ONCE = 16  # messages of one socket before the other has its turn
_FORGET_S = 3 * STALL_S  # T8: a sender that is connected and silent keeps nothing open for longer
_UNREADABLE = frozenset({"invalid_message", "unknown_type", "too_large"})


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
    # None: it cannot be told now; nobody new gets in, and who is in stays
    authorised: Callable[[], Container[str] | None] = field(default=lambda: frozenset())
    data_port: int | None = None  # default: the port after control's
    limits: Limits = field(default_factory=Limits)
    heartbeat: Heartbeat = field(default_factory=Heartbeat)
    sweep_s: float = 2.0  # how often it looks who is gone: a ROUTER learns that only by sending


class Front:
    """Owns the sockets; belongs to one thread, which polls `sockets()` and calls `serve`.

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
        self._sweep_s = settings.sweep_s
        self._sweep_at_s = 0.0
        self._outbox: dict[bytes, deque[list[codec.Buffer]]] = {}
        keys = settings.keys
        self._zap = ZapHandler(context, settings.authorised) if keys else None
        try:
            self.routers = Routers(
                context,
                settings.bind,
                keys=keys,
                data_port=settings.data_port,
                heartbeat=settings.heartbeat,
            )
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
        self.desk = BlobDesk(store, clock=clock, limits=settings.limits)

    def sockets(self) -> list[zmq.Socket[Any]]:
        """What to poll for reading."""
        sockets: list[zmq.Socket[Any]] = [self.routers.control, self.routers.data]
        return sockets if self._zap is None else [*sockets, self._zap.socket]

    @property
    def is_busy(self) -> bool:
        """Whether data waits to be sent: then poll for a short time only."""
        return bool(self._outbox)

    def timeout_s(self) -> float:
        """How long `serve` need not be called while nothing arrives."""
        return max(0.0, self._sweep_at_s - self._clock())

    def serve(self) -> None:
        """Handle what has arrived; never waits."""
        if self._zap is not None and self._zap.socket.poll(0):
            self._zap.handle()
        self._serve("control")
        self._serve("data")
        self._flush()
        if self._clock() >= self._sweep_at_s:
            self._sweep_at_s = self._clock() + self._sweep_s
            self.desk.close_stalled(_FORGET_S)
            for session in self.sessions.all():
                self.push(session, Pong(0))

    def push(self, session: Session, message: Message) -> bool:
        """Send a control message that is no reply; False when the peer takes none now."""
        return self._send("control", session.control, message, None)

    def close(self) -> None:
        """Close the sockets; what is not sent is dropped, parts of transfers stay."""
        self.routers.close()
        if self._zap is not None:
            self._zap.close()
        self.desk.close()

    def _serve(self, which: Which) -> None:
        for _ in range(_AT_ONCE):
            received = self.routers.receive(which)
            if received is None:
                return
            if self.sessions.deaf(which, received.peer):
                continue
            for message, payload in self.answers(which, received):
                self._send(which, received.peer, message, payload)

    def answers(self, which: Which, received: Received) -> list[tuple[Message, bytes | None]]:
        """What to send back for one message: messages, chunks with their bytes."""
        peer, user, frames = received
        number = codec.number_of(frames)
        try:
            if which == "control":
                control = codec.decode_control(frames)
                self.sessions.valid(which, peer)
                if isinstance(control, Hello):
                    return [(self.sessions.greet(which, peer, user, control), None)]
                session = self.sessions.of(which, peer)
                if isinstance(control, Ping):
                    return [(Pong(control.id), None)]
                return [(self._answer_control(session, control), None)]
            data, payload = codec.decode_data(frames)
            self.sessions.valid(which, peer)
            if isinstance(data, Hello):
                return [(self.sessions.greet(which, peer, user, data), None)]
            answers = self.desk.handle(self.sessions.of(which, peer), data, payload)
            return [(answer.message, answer.payload) for answer in answers]
        except ProtocolError as error:
            if error.code in _UNREADABLE and not self.sessions.invalid(which, peer):
                self._gone(which, peer)
            return [(codec.failure_of(number, error), None)]
        except Exception:  # the one handler of the connection: no request may end the server
            _log.exception("a request could not be answered")
            fault = ProtocolError("The server could not do this; its log says why.")
            return [(codec.failure_of(number, fault), None)]

    def _send(self, which: Which, peer: bytes, message: Message, payload: bytes | None) -> bool:
        frames = _encoded(which, message, payload)
        if which == "data" and peer in self._outbox:
            if len(self._outbox[peer]) >= OPEN_FETCHES:  # asks on and on, and does not read
                self._gone(which, peer)
                del self._outbox[peer]
                return False
            self._outbox[peer].append(frames)
            return True
        sent = self.routers.send(which, peer, frames)
        if sent is None:
            self._gone(which, peer)
        elif not sent and which == "data":
            self._outbox[peer] = deque([frames])  # at most OPEN_FETCHES chunks
        return bool(sent)

    def _flush(self) -> None:
        for peer, queue in list(self._outbox.items()):
            sent: bool | None = True
            while queue and (sent := self.routers.send("data", peer, queue[0])):
                queue.popleft()
            if not queue or sent is None:
                del self._outbox[peer]

    def _gone(self, which: Which, peer: bytes) -> None:
        try:
            session = self.sessions.of(which, peer)
        except UnexpectedMessage:
            return
        self.desk.forget(session)
        self.sessions.forget(session)


def _encoded(which: Which, message: Message, payload: bytes | None) -> list[codec.Buffer]:
    """The frames of a message; of one that breaks a limit, those of a failure."""
    try:
        if which == "control":
            return [codec.encode_control(message)]
        return codec.encode_data(message, payload)
    except ProtocolError as error:
        _log.error("an answer cannot be sent: %s", error.text)
        failure = codec.failure_of(getattr(message, "reply_to", 0), error)
        return [codec.encode_control(failure)]
