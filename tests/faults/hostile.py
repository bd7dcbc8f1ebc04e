"""Peers that mean no good: bare DEALER sockets, with keys or without, and half-made connections."""

from __future__ import annotations

import socket
import struct
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil
import zmq

from protocol import codec
from protocol.limits import MAJOR, MINOR
from protocol.messages import Hello, Pong, Welcome

from .rig import packed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from protocol.wire import Address

    from .rig import Rig

__all__ = [
    "GREETING",
    "PING",
    "READY",
    "Hostiles",
    "cpu_s",
    "data_address",
    "hello",
    "idle_connections",
    "limited_server",
    "memory_bytes",
    "peak_bytes",
    "reset",
    "until_answered",
]

PING = packed(type="ping", id=1)
# ZMTP 3.0 without security, as a DEALER says it
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
_UNASKED = codec.encode_control(Pong(0))
READY = b"\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"

_LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({most}, {most}))
sys.argv[1:1] = ["serve"]
runpy.run_module("ex4d", run_name="__main__", alter_sys=True)
"""


class Hostiles:
    """Bare DEALERs of one context. All of them are gone when `with` ends."""

    def __init__(self) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._context.setsockopt(zmq.MAX_SOCKETS, 8192)
        self._sockets: list[zmq.Socket[bytes]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for dealer in self._sockets:
            dealer.close(linger=0)
        self._context.term()

    def dealer(self, address: Address, **options: int | bytes) -> zmq.Socket[bytes]:
        """A socket with these options that connects, once, to the address."""
        dealer = self._context.socket(zmq.DEALER)
        self._sockets.append(dealer)
        dealer.linger = 0
        dealer.reconnect_ivl = -1
        if address.keys is not None:
            dealer.curve_serverkey = address.server_key.encode()
            dealer.curve_publickey = address.keys.public.encode()
            dealer.curve_secretkey = address.keys.secret.encode()
        for name, value in options.items():
            setattr(dealer, name, value)
        dealer.connect(address.endpoint)
        return dealer

    def joined(self, rig: Rig, name: str = "anna", **options: int) -> tuple[zmq.Socket, zmq.Socket]:
        """A greeted control socket and a greeted data socket with these options."""
        control = self.dealer(rig.address(name))
        control.send(hello())
        welcome = codec.decode_control(until_answered(control))
        assert isinstance(welcome, Welcome), welcome
        data = self.dealer(data_address(rig, name), **options)
        data.send(hello(welcome.connection))
        assert isinstance(codec.decode_control(until_answered(data)), Welcome)
        return control, data


def hello(connection: str = "", client_id: str = "0" * 32) -> bytes:
    """A proper greeting."""
    return codec.encode_control(
        Hello(1, MAJOR, MINOR, client_id, "hostile", "0", connection=connection)
    )


def until_answered(dealer: zmq.Socket[bytes], within_s: float = 10.0) -> list[bytes]:
    """The next message that somebody asked for."""
    deadline_s = time.monotonic() + within_s
    while dealer.poll(max(1, round(1000 * (deadline_s - time.monotonic())))):
        frames = dealer.recv_multipart()
        if frames != [_UNASKED]:
            return frames
    raise TimeoutError("no answer came")


def data_address(rig: Rig, name: str = "anna") -> Address:
    """Where the data socket listens."""
    return rig.address(name, endpoint=f"tcp://127.0.0.1:{rig.ports[1]}")


def idle_connections(port: int, most: int) -> Iterator[socket.socket]:
    """TCP connections that say nothing, until nobody answers or there are so many."""
    for _ in range(most):
        try:
            yield socket.create_connection(("127.0.0.1", port), timeout=1)
        except OSError:
            return


def reset(connection: socket.socket) -> None:
    """End a connection by RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def limited_server(descriptors: int) -> tuple[str, str]:
    """The command of a server that may not open more than so many descriptors."""
    return "-c", _LIMITED.format(most=descriptors)


def memory_bytes(rig: Rig) -> int:
    """What the server has in memory now; from here on `peak_bytes` counts anew."""
    process = Path(f"/proc/{rig.server.process.pid}")
    (process / "clear_refs").write_text("5")
    return psutil.Process(rig.server.process.pid).memory_info().rss


def peak_bytes(rig: Rig) -> int:
    """The most memory that the server had since `memory_bytes`."""
    status = Path(f"/proc/{rig.server.process.pid}/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def cpu_s(rig: Rig) -> float:
    """Seconds of a core that the server has used."""
    times = psutil.Process(rig.server.process.pid).cpu_times()
    return times.user + times.system
