"""The sockets of a server, with all that every server does the same way.

They greet, decode, leave files to `BlobTransfers`, turn errors into failures, close connections
that are dead, silent, greedy or no longer authorised, and forget peers that are gone. What control
messages mean is the server's own: it gives a function that answers them. What must be on disk
before a peer hears of it, `durability` knows.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import zmq

from .. import codec
from ..errors import Busy, NotAuthorised, ProtocolError
from ..keys import fingerprint
from ..limits import CHUNK_BYTES_MOST, CONTROL_BYTES, DATA_HEADER_BYTES
from ..messages import Hello, Ping, Pong
from .answers import Answers, Which
from .blob_transfers import BlobTransfers
from .connections import Connections
from .durability import AtOnce
from .memory import give_back
from .outgoing import Outgoing
from .routers import IO_THREADS, NO_DESCRIPTOR, Routers
from .sessions import Sessions
from .socket_settings import MOST_SESSIONS
from .zap import ZapHandler

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..messages import ControlMessage, Message
    from .blob_store import BlobStore
    from .durability import Durability
    from .routers import Received
    from .sessions import Session
    from .socket_settings import SocketSettings

__all__ = ["ServerSockets"]

_AT_ONCE = {"control": 32, "data": 2}  # messages of a socket before the other has its turn (H7)
_LOOK_S = 0.1  # between two looks at the connections
_LOOK_SHARE = 20  # of the time that a look takes, which is longer when they are many
_CROWDED_S = 0.02  # between two looks whether there are descriptors, while few are left
_SOON_S = 0.03  # the same, while one of them is suspect
_ROUND_S = 0.005  # that one socket's messages take at most, before the other has its turn
_UNREAD_S = 5.0  # a peer that asks and has not read answers for so long is closed (H12)
_UNREADABLE = frozenset({"invalid_message", "unknown_type", "too_large"})


class ServerSockets:
    """Owns the sockets; belongs to one thread, which polls `sockets()` and `filenos()` and calls
    `serve`.

    Raises EncryptionRequired for a bind that others can reach without keys, InvalidArgument for a
    bind that is none, zmq.ZMQError when a port is taken.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        settings: SocketSettings,
        store: BlobStore,
        answer: Callable[[Session, ControlMessage], Message],
        *,
        durability: Durability | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._answer_control = answer
        self._clock = clock
        self._pong_s = settings.pong_s
        self._pong_at_s = self._look_at_s = 0.0
        self._is_crowded = False
        self._n_cut = 0
        self._answers = Answers()
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
        self._outgoing = Outgoing(
            self.routers, self._answers, self._gone, clock, durability or AtOnce()
        )
        self.sessions = Sessions(settings, self.routers.data_port)
        largest = CONTROL_BYTES, CHUNK_BYTES_MOST + DATA_HEADER_BYTES
        self._ports = {"control": self.routers.port, "data": self.routers.data_port}
        self.connections = Connections(dict(zip(self._ports.values(), largest, strict=True)), clock)
        self.transfers = BlobTransfers(
            store, self._outgoing.reply, self._outgoing.piece, clock=clock, limits=settings.limits
        )

    def sockets(self) -> list[zmq.Socket[Any]]:
        """What to poll for reading."""
        sockets = [getattr(self.routers, which) for which in self._taken()]
        return sockets if self._zap is None else [*sockets, self._zap.socket]

    def filenos(self) -> list[int]:
        """Descriptors to poll for reading, beside the sockets."""
        return self.transfers.filenos()

    def timeout_s(self) -> float:
        """How long `serve` need not be called while nothing arrives."""
        due_s = min(self._pong_at_s, self._look_at_s) - self._clock()
        if (busy_s := self.transfers.downloads.busy_s) is not None:
            due_s = min(due_s, busy_s)
        return max(0.0, min(due_s, _CROWDED_S) if self._is_crowded else due_s)

    def serve(self) -> None:
        """Handle what has arrived; never waits."""
        self._is_crowded = self.connections.make_room()
        if self._zap is not None and self._zap.socket.poll(0):
            self._zap.handle()
        for which in self._taken():
            self._serve(which)
        with self._answers.surviving("files"):
            self.transfers.step()
        now_s = self._clock()
        if now_s >= self._look_at_s:
            is_soon = False
            with self._answers.surviving("a look at the connections"):
                is_soon = self._look()
            took_s = self._clock() - now_s
            self._look_at_s = now_s + max(_SOON_S if is_soon else _LOOK_S, _LOOK_SHARE * took_s)
        if now_s >= self._pong_at_s:
            self._pong_at_s = now_s + self._pong_s
            for session in self.sessions.all():
                self._outgoing.control(session, Pong(0))
                self._outgoing.rest(session)
            if self.connections.n_cut != self._n_cut:
                give_back()  # libzmq has freed by now what they held
            self._n_cut = self.connections.n_cut

    def push(self, session: Session, message: Message) -> bool:
        """Send a control message that is no reply; False when the peer takes none now."""
        return session.full_since_s is None and self._outgoing.control(session, message)

    def close(self) -> None:
        """Close the sockets; what is not sent is dropped, parts of transfers stay."""
        self.transfers.close()
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
            return self._answers.failure(number, error)

    def _taken(self) -> list[Which]:
        """The sockets whose messages are taken now: the disk must keep up."""
        taken: list[Which] = ["control"] if self._outgoing.takes_more else []
        return [*taken, "data"] if self.transfers.takes_more else taken

    def _serve(self, which: Which) -> None:
        end_s = time.monotonic() + _ROUND_S
        for _ in range(_AT_ONCE[which]):
            received = self.routers.receive(which) if time.monotonic() < end_s else None
            if received is None:
                return
            if received.descriptor == NO_DESCRIPTOR:  # not heard: it does not greet, and is closed
                continue
            if not self.connections.heard(self._ports[which], received.peer, received.descriptor):
                self._gone_of(which, received)
            is_doomed = self.connections.is_doomed(received.descriptor)
            if is_doomed or (which == "control" and self._is_unread(received)):
                continue
            answer = self.answer(which, received)
            if answer is None:
                continue
            session = self.sessions.at(which, received.peer)
            if session is None:
                self.routers.send(which, received.peer, self._answers.frames(which, answer))
            elif which == "control":
                self._outgoing.control(session, answer)
            else:
                self._outgoing.answer(session, answer)

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
        return self.transfers.handle(session, message, payload)

    def _greet(self, which: Which, received: Received, hello: Hello) -> Message:
        if self._authorised is not None and received.user not in (self._authorised() or ()):
            raise NotAuthorised("This key was revoked.")
        if len(self.sessions) >= MOST_SESSIONS:
            raise Busy(f"The server has {MOST_SESSIONS} connections.", limit=MOST_SESSIONS)
        welcome = self.sessions.greet(which, received, hello)
        self.sessions.valid(which, received.peer)
        connection = self.connections.greeted(received.descriptor)
        if connection is not None:
            self.sessions.of(which, received).by[which] = connection
        return welcome

    def _look(self) -> bool:
        """Close connections that nobody should have, or that hold what others need; whether to
        look again soon."""
        is_soon = self.connections.look(has_read_all=self.transfers.takes_more)
        for session in self.transfers.stalled():
            self._gone(session)
        self._answers.told.flush()
        if self.connections.are_stuck(is_idle=not len(self.sessions)) and not self._is_crowded:
            self._reopen()
        authorised = None if self._authorised is None else self._authorised()
        if authorised is None:
            return is_soon
        for session in self.sessions.all():
            if session.user not in authorised:
                text = "closed a connection with the key %s: it is no longer authorised"
                self._answers.told.warning("revoked keys", text, fingerprint(session.user))
                self._gone(session)
        return is_soon

    def _reopen(self) -> None:
        """Have libzmq give back what it keeps. Clients lose a connection, no more."""
        self._answers.told.warning("reopened", "too many connections were stuck: listening anew")
        for session in self.sessions.all():
            self._gone(session)
        self.routers.reopen()

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
            self.transfers.forget(session)
            self.sessions.forget(session)
        self.connections.doom(received.descriptor)

    def _gone_of(self, which: Which, received: Received) -> None:
        if (session := self.sessions.at(which, received.peer)) is not None:
            self._gone(session)

    def _gone(self, session: Session) -> None:
        """Forget a session, and close what it has left of its two connections."""
        self.transfers.forget(session)
        self.sessions.forget(session)
        for connection in session.by.values():
            self.connections.cut(connection)
