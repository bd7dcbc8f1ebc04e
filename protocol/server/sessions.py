"""Who is connected: hello before all else, one control and one data socket each."""

from __future__ import annotations

import uuid
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import Busy, NotAuthorised, UnexpectedMessage, VersionMismatch
from ..limits import INVALID_IN_A_ROW, MAJOR, MINOR
from ..messages import Hello, Message, Welcome

if TYPE_CHECKING:
    from ..codec import Buffer
    from .connections import Connection
    from .routers import Received
    from .socket_settings import SocketSettings

__all__ = ["Session", "Sessions"]

_MOST_INVALID = 1000  # peers that are remembered for what could not be read


@dataclass
class Session:
    """One connection of one client. `control` and `data` are routing ids; `by` are the TCP
    connections that they came by."""

    connection: str
    client_id: str
    client_name: str
    user: str  # public key; "" without CURVE
    control: bytes
    data: bytes | None = None
    capabilities: frozenset[str] = field(default_factory=frozenset)
    by: dict[str, Connection] = field(default_factory=dict)  # control, data
    unsent: deque[list[Buffer]] = field(default_factory=deque)  # answers on the data socket
    is_open: bool = True
    late: deque[Message] = field(default_factory=deque)  # were held, and found its queue full
    full_since_s: float | None = None  # when its control queue was found full, and has been since


class Sessions:
    """The table of connections; no sockets and no waiting."""

    def __init__(self, settings: SocketSettings, data_port: int) -> None:
        self._settings = settings
        self._data_port = data_port
        self._of: dict[str, dict[bytes, Session]] = {"control": {}, "data": {}}
        self._connections: dict[str, Session] = {}
        self._invalid: dict[tuple[str, bytes], int] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def greet(self, which: str, received: Received, hello: Hello) -> Welcome:
        """Open a session (`which` is "control") or give it its data socket ("data").

        Raises VersionMismatch, UnexpectedMessage (a second hello, an unknown connection),
        NotAuthorised (a connection of another user), Busy (the user has too many).
        """
        peer, user = received.peer, received.user
        if hello.major != MAJOR:
            raise VersionMismatch(
                f"The client speaks version {hello.major}.{hello.minor} of the protocol and the "
                f"server {MAJOR}.{MINOR}. Update the "
                f"{'server' if hello.major > MAJOR else 'client'}.",
                client=f"{hello.major}.{hello.minor}",
                server=f"{MAJOR}.{MINOR}",
            )
        if self._session_of(which, received) is not None:
            raise UnexpectedMessage("There was a hello on this socket before.", type="hello")
        session = self._open(peer, user, hello) if which == "control" else None
        session = session or self._join(peer, user, hello)
        self._of[which][peer] = session
        about = self._settings
        return Welcome(
            reply_to=hello.id,
            major=MAJOR,
            minor=MINOR,
            server_name=about.server_name,
            server_version=about.server_version,
            connection=session.connection,
            data_port=self._data_port,
            limits=about.limits,
            capabilities=[c for c in about.capabilities if c in session.capabilities],
            engines=list(about.engines) if which == "control" else [],  # data has 4 KiB
            estimators=list(about.estimators) if which == "control" else [],
            extra=dict(about.extra) if which == "control" else {},
        )

    def of(self, which: str, received: Received) -> Session:
        """The session that a message belongs to. Raises UnexpectedMessage before its hello (C9)."""
        session = self._session_of(which, received)
        if session is None:
            raise UnexpectedMessage("The first message must be hello.", field="type")
        return session

    def at(self, which: str, peer: bytes) -> Session | None:
        """The session that has a routing id, if any."""
        return self._of[which].get(peer)

    def all(self) -> list[Session]:
        """Every open session."""
        return list(self._connections.values())

    def forget(self, session: Session) -> None:
        """Close a session, on both sockets."""
        session.is_open = False
        self._connections.pop(session.connection, None)
        for which, peer in (("control", session.control), ("data", session.data)):
            if peer is not None and self._of[which].get(peer) is session:
                del self._of[which][peer]

    def valid(self, which: str, peer: bytes) -> None:
        """Note that a message could be read."""
        self._invalid.pop((which, peer), None)

    def invalid(self, which: str, peer: bytes) -> bool:
        """Note that one could not; False when it was the last that this peer had, and its
        connection must be closed (M1)."""
        count = self._invalid.pop((which, peer), 0) + 1
        if count >= INVALID_IN_A_ROW:
            return False
        self._invalid[which, peer] = count
        if len(self._invalid) > _MOST_INVALID:  # nobody tells when one that never greeted has gone
            del self._invalid[next(iter(self._invalid))]
        return True

    def _session_of(self, which: str, received: Received) -> Session | None:
        """The session of a message's peer; None when it has another key than the session: nobody
        gains by a routing id (H1)."""
        session = self._of[which].get(received.peer)
        if session is None:
            return None
        return session if session.user == received.user else None

    def _open(self, peer: bytes, user: str, hello: Hello) -> Session:
        if hello.connection:
            raise UnexpectedMessage("A hello on the control socket names no connection.")
        most = self._settings.limits.connections
        if sum(session.user == user for session in self._connections.values()) >= most:
            raise Busy(f"This client has {most} connections, and no more are allowed.", limit=most)
        session = Session(
            connection=uuid.uuid4().hex,
            client_id=hello.client_id,
            client_name=hello.client_name,
            user=user,
            control=peer,
            capabilities=frozenset(hello.capabilities),
        )
        self._connections[session.connection] = session
        return session

    def _join(self, peer: bytes, user: str, hello: Hello) -> Session:
        if not hello.connection:
            raise UnexpectedMessage(
                "This is the server's port for data: give the other one as its endpoint, mostly "
                f"{self._data_port - 1}.",
                field="connection",
            )
        session = self._connections.get(hello.connection)
        if session is None or session.data is not None:
            raise UnexpectedMessage("There is no such connection to join.", field="connection")
        if session.user != user:
            raise NotAuthorised("This connection is another user's.", field="connection")
        session.data = peer
        return session
