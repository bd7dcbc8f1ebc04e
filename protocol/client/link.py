"""One connection: two sockets, and hello on both. Lost, it is never mended: make the next one."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import msgspec
import zmq

from .. import codec
from ..errors import LinkError, NotReachable, TimedOut, VersionMismatch, WrongServerKey
from ..limits import (
    CHUNK_BYTES_MOST,
    CONTROL_BYTES,
    CONTROL_HWM,
    DATA_HEADER_BYTES,
    DATA_HWM,
    DEAD_S,
    MAJOR,
)
from ..messages import Failure, Hello, Welcome
from .wire import WAIT_MS, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..codec import Buffer
    from ..messages import ControlMessage, DataMessage, Message
    from ..wire import Address

__all__ = ["DataFrame", "Link"]


_KEY_TRIES = 3


class DataFrame(NamedTuple):
    """A data message with the bytes of its chunk."""

    message: DataMessage
    payload: Buffer | None


class Link:
    """An open connection. Belongs to one thread; use as a context manager.

    What arrives is put into `control` and `data` by `pump`.
    """

    def __init__(
        self,
        context: zmq.Context[Any],
        address: Address,
        hello: Hello,
        *,
        timeout_s: float,
        on_wait: Callable[[], None],
    ) -> None:
        """Connect and greet on both sockets; `on_wait` is called often, and may raise.

        Raises NotReachable, TimedOut, WrongServerKey, NotAuthorised, EncryptionRequired,
        VersionMismatch.
        """
        self.control: deque[ControlMessage] = deque()
        self.data: deque[DataFrame] = deque()
        self.heard_s = time.monotonic()  # when anything came last; a server is never silent
        self._address = address
        self._on_wait = on_wait
        self._wires: list[Wire] = []
        self._poller = zmq.Poller()
        deadline_s = time.monotonic() + timeout_s
        try:
            control = self._connect(context, address.endpoint, deadline_s, CONTROL_BYTES)
            self.welcome = self._greet(control, hello, deadline_s)
            endpoint = address.data(self.welcome.data_port)
            largest = CHUNK_BYTES_MOST + DATA_HEADER_BYTES
            data = self._connect(context, endpoint, deadline_s, largest)
            joining = msgspec.structs.replace(hello, connection=self.welcome.connection)
            self._greet(data, joining, deadline_s)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close both sockets; what is not sent is dropped."""
        for wire in self._wires:
            wire.close()
        self._wires.clear()

    def watch(self, descriptor: int) -> None:
        """Let `pump` return when a file descriptor is readable, too."""
        self._poller.register(descriptor, zmq.POLLIN)

    def send_control(self, message: Message) -> None:
        """Queue one message. Raises TooLarge before it is sent, LinkError when it cannot be."""
        if not self._wires[0].send([codec.encode_control(message)]):
            raise self._lost("is stuck")

    def send_data(self, message: Message, payload: Buffer | None = None) -> bool:
        """Queue one message; whether there was room. Raises TooLarge."""
        return self._wires[1].send(codec.encode_data(message, payload), copy=payload is None)

    def pump(self, wait_s: float) -> None:
        """Wait for anything, at most so long, and take in what is there.

        Raises LinkError when the connection was lost or the server has been silent for DEAD_S,
        ProtocolError for what is no message.
        """
        ready = dict(self._poller.poll(max(0, round(wait_s * 1000))))
        control, data = self._wires
        if control.socket in ready or data.socket in ready:
            self.heard_s = time.monotonic()
        if control.socket in ready:
            while (frames := control.receive()) is not None:
                self.control.append(codec.decode_control(frames))
        if data.socket in ready:
            for _ in range(DATA_HWM):
                if (frames := data.receive()) is None:
                    break
                self.data.append(DataFrame(*codec.decode_data(frames)))
        if any(wire.monitor in ready and wire.lost() for wire in self._wires):
            raise self._lost("was lost")
        if not ready and time.monotonic() - self.heard_s > DEAD_S:
            raise self._lost("is dead: the server has been silent for too long")

    def _connect(
        self, context: zmq.Context[Any], endpoint: str, deadline_s: float, message_bytes: int
    ) -> Wire:
        """The next socket, connected. A link that is cut during the handshake looks as if the
        server's key were another: only when it happens again and again, it is."""
        hwm = CONTROL_HWM if message_bytes == CONTROL_BYTES else DATA_HWM
        for tries_left in reversed(range(_KEY_TRIES)):
            wire = Wire(context, self._address, message_bytes, hwm)
            try:
                wire.connect(endpoint, deadline_s, self._on_wait)
            except WrongServerKey:
                wire.close()
                if not tries_left:
                    raise
                continue
            except BaseException:
                wire.close()
                raise
            break
        self._wires.append(wire)
        self._poller.register(wire.socket, zmq.POLLIN)
        self._poller.register(wire.monitor, zmq.POLLIN)
        return wire

    def _greet(self, wire: Wire, hello: Hello, deadline_s: float) -> Welcome:
        wire.send([codec.encode_control(hello)])
        while time.monotonic() < deadline_s:
            self._on_wait()
            if dict(self._poller.poll(WAIT_MS)).get(wire.socket):
                answer = codec.decode_control(wire.receive() or [])
                if isinstance(answer, Failure):
                    raise codec.error_of(answer)
                if isinstance(answer, Welcome):
                    return _check_version(answer, hello)
            if wire.lost():
                raise NotReachable(
                    f"The server at {wire.endpoint} closed the connection.", endpoint=wire.endpoint
                )
        raise TimedOut(f"The server at {wire.endpoint} does not answer.", endpoint=wire.endpoint)

    def _lost(self, how: str) -> LinkError:
        endpoint = self._address.endpoint
        return LinkError(f"The connection to {endpoint} {how}.", endpoint=endpoint)


def _check_version(welcome: Welcome, hello: Hello) -> Welcome:
    if welcome.major != MAJOR:
        older = "client" if welcome.major > MAJOR else "server"
        raise VersionMismatch(
            f"The server speaks version {welcome.major}.{welcome.minor} of the protocol and this "
            f"client {hello.major}.{hello.minor}. Update the {older}.",
            server=f"{welcome.major}.{welcome.minor}",
            client=f"{hello.major}.{hello.minor}",
        )
    return welcome
