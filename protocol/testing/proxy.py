"""A TCP proxy that makes a good link bad: slow, late, silent, cut, or with a flipped bit."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Self

__all__ = ["Proxy"]

_PIECE = 65_536


@dataclass
class _Way:
    """One direction of one connection."""

    source: socket.socket
    sink: socket.socket
    up: bool
    queue: deque[tuple[float, bytes]] = field(default_factory=deque)
    queued: int = 0
    free_s: float = 0.0  # when the link has sent what it took


class Proxy:
    """Forwards loopback connections to `target`, a port, until `with` ends.

    Set at any time: `rate` (bytes/s), `delay_s` (one way), `blackhole` (keeps connections and
    forwards nothing). `cut_after(n)` cuts all connections once n more bytes went through,
    `flip_after(n)` inverts the lowest bit of the n-th from now; each for one direction and once.
    `up_bytes` and `down_bytes` count what was forwarded; `recorded`, if `record`, holds it, and
    `recorded_up` what went to the target.
    """

    def __init__(self, target: int, *, rate: float = 0.0, delay_s: float = 0.0) -> None:
        self.target = target
        self.rate = rate
        self.delay_s = delay_s
        self.blackhole = False
        self.record = False
        self.recorded = bytearray()
        self.recorded_up = bytearray()
        self.up_bytes = 0
        self.down_bytes = 0
        self.cuts = 0
        self.connections = 0
        self._cut: tuple[bool, int] | None = None  # up?, at which count
        self._flip: tuple[bool, int] | None = None
        self._ways: dict[socket.socket, _Way] = {}
        self._selector = selectors.DefaultSelector()
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self.endpoint = f"tcp://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._run, name="Proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join(10)

    def cut_after(self, n_bytes: int, *, up: bool) -> None:
        """Cut every connection once so many more bytes went in one direction."""
        self._cut = up, (self.up_bytes if up else self.down_bytes) + n_bytes

    def flip_after(self, n_bytes: int, *, up: bool) -> None:
        """Flip a bit of the byte that so many more bytes go before, in one direction."""
        self._flip = up, (self.up_bytes if up else self.down_bytes) + n_bytes

    def _run(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._listener.setblocking(False)
        try:
            while not self._stop.is_set():
                for key, _ in self._selector.select(self._wait_s()):
                    if key.fileobj is self._listener:
                        self._accept()
                    elif isinstance(key.fileobj, socket.socket):
                        self._read(key.fileobj)
                self._forward()
        finally:
            self._cut_all()
            self._listener.close()
            self._selector.close()

    def _wait_s(self) -> float:
        return 0.001 if any(way.queue for way in self._ways.values()) else 0.02

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", self.target), timeout=2)
        except OSError:
            client.close()
            return
        self.connections += 1
        for end in (client, server):
            end.settimeout(5)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(end, selectors.EVENT_READ)
        self._ways[client] = _Way(client, server, up=True)
        self._ways[server] = _Way(server, client, up=False)

    def _read(self, source: socket.socket) -> None:
        way = self._ways.get(source)
        if way is None:
            return
        if self.blackhole or way.queued > 16 * _PIECE:
            time.sleep(0.001)  # the pressure goes back to the sender
            return
        try:
            data = source.recv(_PIECE)
        except OSError:
            data = b""
        if not data:
            self._close(way)
            return
        now_s = time.monotonic()
        way.free_s = max(way.free_s, now_s) + (len(data) / self.rate if self.rate else 0.0)
        way.queue.append((way.free_s + self.delay_s, data))
        way.queued += len(data)

    def _forward(self) -> None:
        now_s = time.monotonic()
        for way in list(self._ways.values()):
            while way.queue and way.queue[0][0] <= now_s and not self.blackhole:
                _, data = way.queue.popleft()
                way.queued -= len(data)
                if not self._pass_on(way, data):
                    break

    def _pass_on(self, way: _Way, data: bytes) -> bool:
        count = self.up_bytes if way.up else self.down_bytes
        data = self._flipped(way, data, count)
        cut = self._cut is not None and self._cut[0] is way.up and count + len(data) > self._cut[1]
        if cut and self._cut is not None:
            data = data[: max(0, self._cut[1] - count)]
        try:
            way.sink.sendall(data)
        except OSError:
            self._close(way)
            return False
        if way.up:
            self.up_bytes += len(data)
        else:
            self.down_bytes += len(data)
        if self.record:
            self.recorded += data
            self.recorded_up += data if way.up else b""
        if cut:
            self._cut = None
            self.cuts += 1
            self._cut_all()
        return not cut

    def _flipped(self, way: _Way, data: bytes, count: int) -> bytes:
        if self._flip is None or self._flip[0] is not way.up:
            return data
        at = self._flip[1] - count
        if not 0 <= at < len(data):
            return data
        self._flip = None
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    def _cut_all(self) -> None:
        for way in list(self._ways.values()):
            self._close(way)

    def _close(self, way: _Way) -> None:
        for end in (way.source, way.sink):
            if self._ways.pop(end, None) is not None:
                self._selector.unregister(end)
                end.close()
