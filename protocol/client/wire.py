"""One client socket and its monitor, which says why no connection can be made."""

from __future__ import annotations

import socket as tcp
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import zmq
from zmq.utils.monitor import recv_monitor_message

from ..errors import (
    EncryptionRequired,
    NotAuthorised,
    NotReachable,
    ProtocolError,
    WrongServerKey,
)
from ..sockets import set_options

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..codec import Buffer
    from ..wire import Address

__all__ = ["WAIT_MS", "Wire"]

WAIT_MS = 100  # at most, between two calls of `on_wait`

_NO_DETAIL = zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
_PROTOCOL = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
_MECHANISM = 0x11000002  # one side speaks CURVE and the other does not


class Wire:
    """A DEALER that connects once: libzmq reconnects quietly and tells nobody that keys do not
    fit (libzmq#2227), so here a lost connection is an error and the next one gets a new Wire."""

    def __init__(
        self, context: zmq.Context[Any], address: Address, message_bytes: int, hwm: int
    ) -> None:
        self._encrypted = address.keys is not None
        self.endpoint = address.endpoint
        self.socket: zmq.Socket[bytes] = context.socket(zmq.DEALER)
        set_options(self.socket, message_bytes=message_bytes, hwm=hwm)
        self.socket.immediate = True
        self.socket.reconnect_ivl = -1
        self.socket.ipv6 = "[" in address.endpoint
        if address.keys is not None and address.server_key is not None:
            self.socket.curve_serverkey = address.server_key.encode("ascii")
            self.socket.curve_publickey = address.keys.public.encode("ascii")
            self.socket.curve_secretkey = address.keys.secret.encode("ascii")
        self.monitor: zmq.Socket[Any] = self.socket.get_monitor_socket()

    def connect(self, endpoint: str, deadline_s: float, on_wait: Callable[[], None]) -> None:
        """Connect and shake hands before the deadline (monotonic).

        Raises NotReachable, WrongServerKey, NotAuthorised, EncryptionRequired.
        """
        self.endpoint = endpoint
        try:
            self.socket.connect(endpoint)
        except zmq.ZMQError as error:  # a name that cannot be resolved, say
            raise self._not_reachable(str(error)) from None
        connected = False
        while (left_s := deadline_s - time.monotonic()) > 0:
            on_wait()
            if not self.monitor.poll(max(1, min(WAIT_MS, round(left_s * 1000)))):
                continue
            event = recv_monitor_message(self.monitor)
            kind = event["event"]
            if kind == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                return
            connected |= kind == zmq.EVENT_CONNECTED
            if kind in (zmq.EVENT_CLOSED, zmq.EVENT_DISCONNECTED):
                break
            if refusal := self._refusal(kind, event["value"]):
                raise refusal
        raise self._not_reachable("something else answers there" if connected else "")

    def send(self, frames: list[Buffer], *, copy: bool = True) -> bool:
        """Queue one message without waiting; whether there was room."""
        try:
            self.socket.send_multipart(frames, zmq.NOBLOCK, copy=copy)
        except zmq.Again:
            return False
        return True

    def receive(self) -> list[Buffer] | None:
        """The next message, without waiting and without a copy; None: there is none."""
        try:
            return [frame.buffer for frame in self.socket.recv_multipart(zmq.NOBLOCK, copy=False)]
        except zmq.Again:
            return None

    def lost(self) -> bool:
        """Whether the monitor told since the last call that the connection is gone."""
        while self.monitor.poll(0):
            if recv_monitor_message(self.monitor)["event"] == zmq.EVENT_DISCONNECTED:
                return True
        return False

    def close(self) -> None:
        """Close the socket; what is not sent is dropped."""
        self.socket.disable_monitor()
        self.monitor.close(linger=0)  # left to the garbage collector it can hold up term()
        self.socket.close(linger=0)

    def _refusal(self, kind: int, value: int) -> ProtocolError | None:
        host = self.endpoint.removeprefix("tcp://")
        if kind == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
            return NotAuthorised(
                f"The server at {host} does not know this computer's key.", endpoint=host
            )
        if kind not in (_NO_DETAIL, _PROTOCOL):
            return None
        # The code that names a mismatch is lost when the server closes first. And a tunnel with
        # nothing behind it closes just as a server does that cannot open our greeting. So ask.
        mechanism = _mechanism_at(self.endpoint)
        if mechanism is None and value != _MECHANISM:
            return self._not_reachable("something else answers there")
        if self._encrypted and mechanism == b"CURVE":
            return WrongServerKey(
                f"The key of the server at {host} differs from the one in the settings.",
                endpoint=host,
            )
        if self._encrypted:
            what = "does not encrypt, and the settings name a key"
        elif mechanism == b"CURVE" or value == _MECHANISM:
            what = "is encrypted, and the settings name no key"
        else:
            return self._not_reachable("something else answers there")
        return EncryptionRequired(f"The server at {host} {what}.", endpoint=host)

    def _not_reachable(self, why: str) -> NotReachable:
        host = self.endpoint.removeprefix("tcp://")
        tail = f": {why}" if why else ""
        return NotReachable(f"No EX-4D server answers at {host}{tail}.", endpoint=host)


def _mechanism_at(endpoint: str) -> bytes | None:
    """What protects the ZeroMQ peer that listens there, b"CURVE" or b"NULL"; None: no such peer.

    Sends the first 11 bytes of a ZMTP 3 greeting; the peer answers with all 64 of its own.
    """
    parts = urlsplit(endpoint)
    greeting = b""
    try:
        with tcp.create_connection((parts.hostname or "", parts.port or 0), timeout=1) as probe:
            probe.sendall(b"\xff\0\0\0\0\0\0\0\x01\x7f\x03")
            while len(greeting) < 64 and (more := probe.recv(64 - len(greeting))):
                greeting += more
    except OSError:
        return None
    return greeting[12:32].rstrip(b"\0") if greeting[:1] == b"\xff" else None
