"""The kinds of attack. Each is a generator: it yields how many messages it has sent since, and ends
with its connection. So one process keeps many of them going at once."""

from __future__ import annotations

import contextlib
import itertools
import socket
import struct
import time
from typing import TYPE_CHECKING

import zmq

from protocol import codec
from protocol.messages import Welcome
from tests.faults.hostile import GREETING, PING, READY

from .mutations import hello

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from protocol.wire import Address

__all__ = ["ATTACKS", "Field"]

BURST = 50  # messages of one peer before another has its turn
STUCK_S = 0.5  # a peer that cannot send for so long is full or cut
HELD_S = 3.0  # what is half made stays so long
TLS = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)


class Field:
    """What an attack needs: addresses, its messages, and chance."""

    def __init__(
        self,
        addresses: dict[str, Address],
        pools: dict[str, list[list[bytes]]],
        per_peer: int,
        rng: random.Random,
    ) -> None:
        self.addresses = addresses
        self.per_peer = per_peer  # messages of one connection, in the middle
        self.rng = rng
        self.encrypted = addresses["control"].keys is not None
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.context.setsockopt(zmq.MAX_SOCKETS, 8192)
        self._pools = {which: itertools.cycle(pool) for which, pool in pools.items()}

    def port(self) -> int:
        return int(self.addresses[self.rng.choice(["control", "data"])].endpoint.rpartition(":")[2])

    @contextlib.contextmanager
    def dealer(self, which: str, *, stranger: bool = False, **options: int | bytes):
        """A DEALER that connects once."""
        with self.context.socket(zmq.DEALER) as dealer:
            dealer.linger = 0
            dealer.reconnect_ivl = -1
            dealer.sndhwm = BURST
            dealer.sndtimeo = 200  # ms: one that was closed has nobody to send to
            for name, value in options.items():
                setattr(dealer, name, value)
            address = self.addresses[which]
            if address.keys is not None:
                public, secret = address.keys.public.encode(), address.keys.secret.encode()
                if stranger:
                    public, secret = zmq.curve_keypair()
                dealer.curve_publickey, dealer.curve_secretkey = public, secret
                dealer.curve_serverkey = address.server_key.encode()
            dealer.connect(address.endpoint)
            yield dealer

    def flood(self, dealer, which: str, *, reads: bool, what: bytes | None = None) -> Iterator[int]:
        """Send messages, or one and the same, until it is enough or nothing goes any more."""
        left, moved_s = self.rng.randrange(1, 2 * self.per_peer), time.monotonic()
        pool = self._pools[which]
        while left > 0 and time.monotonic() < moved_s + STUCK_S:
            sent = 0
            with contextlib.suppress(zmq.Again):
                while sent < min(BURST, left):
                    dealer.send_multipart([what] if what else next(pool), zmq.NOBLOCK)
                    sent += 1
            if sent:
                moved_s, left = time.monotonic(), left - sent
            if reads:
                with contextlib.suppress(zmq.Again):
                    while True:
                        dealer.recv_multipart(zmq.NOBLOCK)
            yield sent


def mutants(field: Field) -> Iterator[int]:
    """Changed messages, mostly after a greeting; one in five never reads."""
    with field.dealer("control") as dealer:
        if field.rng.random() < 0.7:
            dealer.send(hello(field.rng))
        yield from field.flood(dealer, "control", reads=field.rng.random() < 0.8)


def data_mutants(field: Field) -> Iterator[int]:
    """Changed data messages of a peer that has joined properly."""
    with field.dealer("control") as control, field.dealer("data") as data:
        control.send(hello(field.rng))
        give_up_s = time.monotonic() + STUCK_S
        while not control.poll(0):
            if time.monotonic() > give_up_s:
                return
            yield 0
        answer = codec.decode_control(control.recv_multipart())
        if isinstance(answer, Welcome):
            data.send(hello(field.rng, answer.connection))
        yield from field.flood(data, "data", reads=field.rng.random() < 0.7)


def floods(field: Field) -> Iterator[int]:
    """The same right message at full speed, without a greeting or after one; nobody reads."""
    with field.dealer("control", rcvhwm=1) as dealer:
        if field.rng.random() < 0.5:
            dealer.send(hello(field.rng))
        yield from field.flood(dealer, "control", reads=False, what=PING)


def same_names(field: Field) -> Iterator[int]:
    """Peers that all claim the same routing id."""
    which = field.rng.choice(["control", "data"])
    with field.dealer(which, routing_id=b"same") as dealer:
        yield from field.flood(dealer, which, reads=False)


def strangers(field: Field) -> Iterator[int]:
    """Keys that nobody has let in; without keys, a peer that only greets."""
    with field.dealer("control", stranger=True) as dealer:
        dealer.send(hello(field.rng), zmq.NOBLOCK)
        yield 1
        end_s = time.monotonic() + field.rng.random()
        while time.monotonic() < end_s:
            yield 0


def endless(field: Field) -> Iterator[int]:
    """One message of very many frames that does not end."""
    with field.dealer(field.rng.choice(["control", "data"]), sndhwm=4) as dealer:
        for _ in range(20):
            with contextlib.suppress(zmq.Again):
                for _ in range(200):
                    dealer.send(b"x" * 1000, zmq.SNDMORE | zmq.NOBLOCK)
            yield 1


def resets(field: Field) -> Iterator[int]:
    """A peer that speaks ZMTP itself, and leaves by RST in the middle of a flood."""
    frame = bytes([0, len(PING)]) + PING
    with _tcp(field) as peer:
        with contextlib.suppress(OSError):  # cut, or nobody reads
            peer.sendall(GREETING + READY)
            for _ in range(10):
                peer.sendall(frame * 200)
                yield 200
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def half_made(field: Field) -> Iterator[int]:
    """A connection that says nothing, half a greeting, something else, or noise, and stays."""
    things = (b"", b"\xff", GREETING[:20], GREETING, b"GET / HTTP/1.1\r\n\r\n", TLS)
    with _tcp(field) as peer:
        with contextlib.suppress(OSError):
            peer.sendall(field.rng.choice([*things, field.rng.randbytes(3000)]))
        yield 1
        end_s = time.monotonic() + field.rng.random() * HELD_S
        while time.monotonic() < end_s:
            yield 0


@contextlib.contextmanager
def _tcp(field: Field) -> Iterator[socket.socket]:
    with socket.socket() as peer:
        peer.settimeout(0.2)
        with contextlib.suppress(OSError):
            peer.connect(("127.0.0.1", field.port()))
        yield peer


ATTACKS = {  # and how often
    mutants: 30,
    data_mutants: 25,
    floods: 10,
    same_names: 8,
    strangers: 7,
    endless: 2,
    resets: 6,
    half_made: 12,
}
