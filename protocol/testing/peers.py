"""Peers that do not keep to the protocol."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

import zmq

from .. import codec
from ..limits import MAJOR, MINOR
from ..messages import Hello, Pong

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..messages import ControlMessage, DataMessage

__all__ = ["RawPeer", "raw_tcp"]

_UNASKED = codec.encode_control(Pong(0))


class RawPeer:
    """A bare DEALER that sends whatever it is given. Use as a context manager. `options` are
    those of the socket: routing_id, curve_serverkey and the like."""

    def __init__(self, endpoint: str, *, timeout_s: float = 5.0, **options: Any) -> None:
        self._timeout_ms = round(timeout_s * 1000)
        self._context: zmq.Context[Any] = zmq.Context()
        self.socket: zmq.Socket[bytes] = self._context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.reconnect_ivl = -1  # closed is closed
        self.socket.sndtimeo = self._timeout_ms
        for name, value in options.items():
            setattr(self.socket, name, value)
        self.socket.connect(endpoint)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.socket.close()
        self._context.term()

    def send(self, *frames: bytes) -> None:
        """Send frames as they are; nothing, when the connection was closed."""
        with suppress(zmq.Again):
            self.socket.send_multipart(frames)

    def receive(self, timeout_s: float | None = None) -> list[bytes]:
        """The frames of the next message that is no unasked pong. Raises TimeoutError."""
        wait_ms = self._timeout_ms if timeout_s is None else round(timeout_s * 1000)
        while self.socket.poll(wait_ms):
            frames = self.socket.recv_multipart()
            if frames != [_UNASKED]:
                return frames
        raise TimeoutError("no message came")

    def quiet(self, for_s: float) -> bool:
        """Whether nothing comes for so long."""
        try:
            self.receive(for_s)
        except TimeoutError:
            return True
        return False

    def control(self, *frames: bytes) -> ControlMessage:
        """Send frames, and read the next message as one of the control socket."""
        self.send(*frames)
        return codec.decode_control(self.receive())

    def data(self, *frames: bytes) -> DataMessage:
        """Send frames, and read the next message as one of the data socket."""
        self.send(*frames)
        return codec.decode_data(self.receive())[0]

    def hello(self, connection: str = "", **changes: Any) -> ControlMessage:
        """Greet properly, but for the changes; return the answer."""
        fields: dict[str, Any] = {
            "id": 1,
            "major": MAJOR,
            "minor": MINOR,
            "client_id": "0" * 32,
            "client_name": "raw",
            "client_version": "0",
            "connection": connection,
        }
        return self.control(codec.encode_control(Hello(**(fields | changes))))


def raw_tcp(port: int, data: bytes | Sequence[bytes], *, timeout_s: float = 2.0) -> bytes:
    """Send bytes to a port of loopback and return what comes until it closes or is silent."""
    pieces = [data] if isinstance(data, bytes) else data
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as connection:
        try:
            for piece in pieces:
                connection.sendall(piece)
            while more := connection.recv(65_536):
                answer += more
        except OSError:  # reset or silent: both are answers
            pass
    return answer
