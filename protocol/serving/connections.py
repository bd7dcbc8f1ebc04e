"""The TCP connections to a server, as the process's own descriptors tell of them.

A ROUTER neither counts its connections nor closes one, and does not even know of a peer that has
sent nothing. But every message names the descriptor that it came by, the others can be found, and
to shut a descriptor down is all that libzmq needs to drop what belongs to it.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..limits import GREET_S
from .descriptors import free_number, most_descriptors, open_descriptors, reserve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Connection", "Connections"]

_YOUNG_S = 1.0  # an honest client has greeted by then, also over a slow link
_LATE = 2  # a look that comes so many times later than planned accuses nobody
_RECEIVED = struct.Struct("<128xQ")  # tcpi_bytes_received in Linux's TCP_INFO
_DROP_ALL = struct.pack("HBBI", 6, 0, 0, 0)  # a packet filter that lets nothing through
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27


@dataclass(eq=False)
class Connection:
    """One TCP connection. Its descriptor's number is used again when it is closed; its address,
    the peer's host and port, is not, for as long as that matters."""

    descriptor: int
    address: tuple[str, int]
    since_s: float
    has_greeted: bool = False
    received_bytes: int = 0  # when all of its messages had been read last
    is_suspect: bool = False  # of sending a message without end


class Connections:
    """Finds, counts and closes the connections to some local ports. Belongs to one thread.

    `message_bytes`: the largest message of each port.
    """

    def __init__(self, message_bytes: dict[int, int], clock: Callable[[], float]) -> None:
        self._message_bytes = message_bytes
        self._clock = clock
        self._of: dict[int, Connection] = {}
        self._heard: set[int] = set()  # descriptors by which a message came since the last look
        self._looked_s = clock()
        self._is_paused = False

    def __len__(self) -> int:
        return len(self._of)

    def heard(self, descriptor: int) -> None:
        """Note that a whole message came by a descriptor."""
        self._heard.add(descriptor)

    def of(self, descriptor: int) -> Connection | None:
        """The connection that has a descriptor now; None: it is closed already."""
        ends = _ends(descriptor)
        if ends is None:
            return None
        address = ends[0]
        connection = self._of.get(descriptor)
        if connection is None or connection.address != address:
            connection = Connection(descriptor, address, self._clock())
            self._of[descriptor] = connection
        return connection

    def greeted(self, descriptor: int) -> Connection | None:
        """The same, and note that hello came by it."""
        connection = self.of(descriptor)
        if connection is not None:
            connection.has_greeted = True
        return connection

    def cut(self, connection: Connection) -> None:
        """Close a connection, unless it is closed already."""
        with suppress(OSError), _shared(connection.descriptor) as shared:
            ends = _ends(shared.fileno())
            if ends is not None and ends[0] == connection.address:
                shared.shutdown(socket.SHUT_RDWR)

    def look(self, every_s: float, *, has_read_all: bool) -> None:
        """Take in which connections there are, and close those that did not greet in time and
        those that send a message without end (M4). To be called `every_s`; the latter are found
        only where all whole messages are read soon after they have come."""
        now_s = self._clock()
        is_fair = has_read_all and now_s - self._looked_s <= _LATE * every_s
        self._looked_s = now_s
        self._find()
        for connection in list(self._of.values()):
            is_endless = self._sends_without_end(connection) and is_fair
            if is_endless or (not connection.has_greeted and now_s - connection.since_s > GREET_S):
                self.cut(connection)
        self._heard.clear()

    def make_room(self) -> bool:
        """Keep descriptors free for the server's own files (H3); whether there is room for
        another connection.

        When few are left it lets nobody in for a while, and closes connections that have not
        greeted, the oldest first, then the youngest of the others.
        """
        most = most_descriptors()
        spare = reserve(most)
        number = free_number()
        if number < most - spare:
            if self._is_paused and number < most - 2 * spare:
                self._pause(wanted=False)
            return True
        self._pause(wanted=True)
        self._find()
        for connection in self._least_missed()[:spare]:
            self.cut(connection)
        return False

    def _least_missed(self) -> list[Connection]:
        now_s = self._clock()
        silent = [c for c in self._of.values() if not c.has_greeted]
        silent.sort(key=lambda c: (now_s - c.since_s < _YOUNG_S, c.since_s))
        greeted = [c for c in self._of.values() if c.has_greeted]
        return silent or sorted(greeted, key=lambda c: -c.since_s)

    def _find(self) -> None:
        """Bring the table up to date."""
        numbers = open_descriptors()
        if numbers is None:  # this system does not tell; who has sent something is known anyhow
            numbers = list(self._of)
        before, self._of = self._of, {}
        for number in numbers:
            ends = _ends(number)
            if ends is None or ends[1] not in self._message_bytes:
                continue
            address = ends[0]
            known = before.get(number)
            if known is None or known.address != address:
                known = Connection(number, address, self._clock())
            self._of[number] = known

    def _sends_without_end(self, connection: Connection) -> bool:
        """Whether more bytes have come since the last whole message than the largest one has,
        in two looks one after the other: libzmq keeps the frames of an unfinished one for ever."""
        received = _received_bytes(connection.descriptor)
        most = 2 * max(self._message_bytes.values())
        if connection.descriptor in self._heard:
            connection.received_bytes, connection.is_suspect = received, False
            return False
        was_suspect = connection.is_suspect
        connection.is_suspect = received - connection.received_bytes > most
        return was_suspect and connection.is_suspect

    def _pause(self, *, wanted: bool) -> None:
        """Let nobody connect, or let them again: their first packets are dropped, and sent again
        a second later. Where the system has no such filter, connections are only closed."""
        if wanted == self._is_paused or not sys.platform.startswith("linux"):
            return
        for number in open_descriptors() or ():
            with suppress(OSError, TypeError, IndexError), _borrowed(number) as borrowed:
                if borrowed.getsockname()[1] in self._message_bytes and _listens(borrowed):
                    _filter(borrowed, drops=wanted)
        self._is_paused = wanted


@contextmanager
def _shared(number: int) -> Iterator[socket.socket]:
    """A socket object of our own for what a descriptor stands for now, whatever becomes of the
    number meanwhile. Raises OSError when it is closed."""
    if sys.platform == "win32":  # a socket is no descriptor there, and cannot be doubled like one
        with _borrowed(number) as borrowed:
            yield borrowed
        return
    duplicate = os.dup(number)
    try:
        with _borrowed(duplicate) as shared:
            yield shared
    finally:
        os.close(duplicate)


@contextmanager
def _borrowed(number: int) -> Iterator[socket.socket]:
    """A socket object for a descriptor of somebody else. Raises OSError when it is no socket."""
    borrowed = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, 0, fileno=number)
    try:
        yield borrowed
    finally:
        borrowed.detach()


def _ends(number: int) -> tuple[tuple[str, int], int] | None:
    """The peer's host and port, and the local port, of a TCP connection; None for all else."""
    with suppress(OSError, TypeError, ValueError), _borrowed(number) as borrowed:
        host, port, *_ = borrowed.getpeername()
        return (str(host), int(port)), int(borrowed.getsockname()[1])
    return None


def _received_bytes(number: int) -> int:
    """Bytes that the peer has sent, where the system counts them; 0 otherwise."""
    with suppress(OSError, AttributeError, struct.error), _borrowed(number) as borrowed:
        told = borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RECEIVED.size)
        return int(_RECEIVED.unpack(told)[0])
    return 0


def _listens(of: socket.socket) -> bool:
    return bool(of.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _filter(listener: socket.socket, *, drops: bool) -> None:
    """Drop every packet that would open a connection, or none."""
    if not drops:
        listener.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
        return
    instruction = ctypes.create_string_buffer(_DROP_ALL, len(_DROP_ALL))
    program = struct.pack("HL", 1, ctypes.addressof(instruction))
    listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
