"""The two ROUTER sockets of a server, with every option that the protocol asks for."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import zmq

from ..errors import EncryptionRequired, InvalidArgument
from ..hosts import addresses_of, numeric_address
from ..limits import CHUNK_BYTES_MOST, CONTROL_BYTES, CONTROL_HWM, DATA_HEADER_BYTES, DATA_HWM
from ..sockets import set_options
from .zap import ZAP_DOMAIN

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..codec import Buffer
    from ..keys import KeyPair

__all__ = ["IO_THREADS", "NO_DESCRIPTOR", "Received", "Routers", "check_bind"]

IO_THREADS = 2  # one for each socket: what encrypts files must not hold up requests (G4)
_DATA_RECEIVE_HWM = 8  # messages of one peer: they are read at once, and may have 4 MiB each
NO_DESCRIPTOR = -1
_REBIND_S = 5.0
_BACKLOG = 32  # connections that wait to be accepted; far fewer than the descriptors in reserve
_ENDPOINT = re.compile(
    r"tcp://(\[(?P<ipv6>[^\[\]\s]+)\]|(?P<host>[^\[\]:/@?#%;\s]+)):(?P<port>[0-9]{1,5})"
)


class Received(NamedTuple):
    """One message as it came in. `user` is the client's public key, "" without CURVE."""

    peer: bytes
    user: str
    descriptor: int  # of the TCP connection that it came by; NO_DESCRIPTOR: it cannot be told
    frames: list[Buffer]


def check_bind(endpoint: str, *, encrypted: bool) -> tuple[str, int]:
    """What to bind for `tcp://HOST:PORT`: the host and the port; port 0 lets the system choose.

    Without keys the host is one number, the one that was judged: a name could mean another one a
    moment later. Raises InvalidArgument for another form, EncryptionRequired for a bind that others
    may reach without keys (C12, H17).
    """
    match = _ENDPOINT.fullmatch(endpoint)
    host = (match["ipv6"] or match["host"]) if match else ""
    port = int(match["port"]) if match else 0
    address = numeric_address(host)
    is_ipv6 = match is not None and match["ipv6"] is not None
    if not match or port > 65_535 or (is_ipv6 and ":" not in host):
        raise InvalidArgument(f"{endpoint!r} is not of the form tcp://HOST:PORT.", field="bind")
    if encrypted:
        return (host if address is None else str(address)), port
    addresses = addresses_of(host) if address is None else [address]
    if not addresses and host != "*":
        raise EncryptionRequired(
            f"Nobody can say which address {host} is, so the server needs keys, or another host.",
            host=host,
        )
    if host == "*" or not all(address.is_loopback for address in addresses):
        raise EncryptionRequired(
            f"{host} can be reached from other computers, so the server needs keys.", host=host
        )
    return str(addresses[0]), port


class Routers:
    """Opens and binds control and data. Data takes the next port (any, when control's is 0)."""

    def __init__(
        self,
        context: zmq.Context[Any],
        bind: str,
        *,
        keys: KeyPair | None,
        data_port: int | None = None,
    ) -> None:
        """Bind. With keys every connection is encrypted and must pass the ZapHandler.

        Raises what check_bind raises, and zmq.ZMQError when a port is taken.
        """
        host, port = check_bind(bind, encrypted=keys is not None)
        self._keys = keys
        self._ipv6 = ":" in host
        self._host = f"[{host}]" if self._ipv6 else host
        self._context = context
        chosen = data_port if data_port is not None else (port and port + 1)
        self._open_both(port, chosen)

    def reopen(self) -> None:
        """Close every connection and everything that libzmq has kept of them, and listen again on
        the same ports. Raises zmq.ZMQError when one was taken meanwhile."""
        self.close()
        until_s = time.monotonic() + _REBIND_S
        while True:
            try:
                return self._open_both(self.port, self.data_port)
            except zmq.ZMQError as error:
                if error.errno != zmq.EADDRINUSE or time.monotonic() > until_s:
                    raise
                time.sleep(0.005)  # libzmq's thread closes the old ones

    @property
    def endpoint(self) -> str:
        """Where clients connect to."""
        return f"tcp://{self._host}:{self.port}"

    def receive(self, which: Literal["control", "data"]) -> Received | None:
        """The next message, without waiting; None: there is none."""
        socket = self.control if which == "control" else self.data
        try:
            peer, *frames = socket.recv_multipart(zmq.NOBLOCK, copy=False)
        except zmq.Again:
            return None
        user = str(peer.get("User-Id")) if self._keys is not None else ""
        try:
            descriptor = int(peer.get(zmq.SRCFD))
        except zmq.ZMQError:  # a peer of ZMTP 1, which nobody here speaks
            descriptor = NO_DESCRIPTOR
        return Received(peer.bytes, user, descriptor, [frame.buffer for frame in frames])

    def send(
        self, which: Literal["control", "data"], peer: bytes, frames: Sequence[Buffer | zmq.Frame]
    ) -> bool | None:
        """Send without waiting: True sent, False the peer's queue is full, None it is gone."""
        socket = self.control if which == "control" else self.data
        try:
            socket.send_multipart([peer, *frames], zmq.NOBLOCK)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno == zmq.EHOSTUNREACH:
                return None
            raise
        return True

    def send_chunk(
        self, peer: bytes, header: Buffer, payload: bytes
    ) -> Callable[[], bool] | bool | None:
        """The same for a piece of a file, without a copy: instead of True, what tells whether the
        bytes have left this process."""
        body = zmq.Frame(payload, track=True)
        sent = self.send("data", peer, [header, body])
        tracker = body.tracker
        return (lambda: bool(tracker.done)) if sent else sent

    def close(self) -> None:
        """Close both sockets; what is not sent is dropped."""
        self.control.close(linger=0)
        self.data.close(linger=0)

    def _open_both(self, port: int, data_port: int) -> None:
        self.control = self._open(CONTROL_BYTES, CONTROL_HWM)
        self.data = self._open(CHUNK_BYTES_MOST + DATA_HEADER_BYTES, DATA_HWM)
        self.data.rcvhwm = _DATA_RECEIVE_HWM
        if self._context.get(zmq.IO_THREADS) >= IO_THREADS:
            self.control.affinity, self.data.affinity = 1, 2
        try:
            self.port = self._bind(self.control, port)
            self.data_port = self._bind(self.data, data_port)
        except BaseException:
            self.close()
            raise

    def _open(self, message_bytes: int, hwm: int) -> zmq.Socket[bytes]:
        socket: zmq.Socket[bytes] = self._context.socket(zmq.ROUTER)
        set_options(socket, message_bytes=message_bytes, hwm=hwm)
        socket.ipv6 = self._ipv6
        socket.backlog = _BACKLOG
        socket.router_mandatory = True
        # H1: without it the queue of a second peer with a taken routing id is never read, so that
        # its memory and its descriptor stay for ever. The first one's connection is closed.
        socket.router_handover = True
        if self._keys is not None:
            socket.curve_server = True
            socket.curve_secretkey = self._keys.secret.encode("ascii")
            socket.zap_domain = ZAP_DOMAIN
            socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # C5: without it a dead handler fails open
        return socket

    def _bind(self, socket: zmq.Socket[bytes], port: int) -> int:
        socket.bind(f"tcp://{self._host}:{port or '*'}")
        bound = socket.getsockopt_string(zmq.LAST_ENDPOINT)
        return int(bound.rstrip("\0").rpartition(":")[2])
