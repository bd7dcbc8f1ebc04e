"""The TCP connections to a server, as the process's own descriptors tell of them.

A ROUTER neither counts its connections nor closes one, and does not even know of a peer that has
sent nothing. But every message names the descriptor that it came by, the others can be found, and
to shut a descriptor down is all that libzmq needs to drop what belongs to it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..limits import GREET_S
from .descriptors import free_number, most_descriptors, open_descriptors, reserve
from .tcp import close_connection, ends_of, filter_listener, is_remnant, received_bytes

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Connection", "Connections"]

_YOUNG_S = 1.0  # an honest client has greeted by then, also over a slow link
_CLOSING_S = 0.05  # until closed connections have given their descriptors back
_MOST_STUCK = 64  # connections that libzmq keeps after their end
_FREE_EVERY_S = 600.0
_STUCK_S = 10.0  # the same, of one
_LATE_S = 1.0  # a look that comes so long after the last accuses nobody


@dataclass(eq=False)
class Connection:
    """One TCP connection. Its descriptor's number is used again when it is closed; its address,
    the peer's host and port, is not, for as long as that matters."""

    descriptor: int
    address: tuple[str, int]
    since_s: float
    has_greeted: bool = False
    is_cut: bool = False
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
        self._by_peer: dict[tuple[int, bytes], Connection] = {}  # by port and routing id
        self._remnants: dict[int, float] = {}  # closed, and not given back by libzmq; since when
        self._doomed: dict[int, Connection] = {}
        self._looked_s = clock()
        self._is_paused = False
        self._free_again_s = float("-inf")  # when few that are stuck are worth it
        self.n_cut = 0  # connections closed by us, ever

    def __len__(self) -> int:
        return len(self._of)

    def heard(self, port: int, peer: bytes, descriptor: int) -> bool:
        """Note that a whole message came from a peer; False when another connection had its
        routing id before. That one is closed: libzmq reads no more from it, and would keep its
        descriptor for ever if it closed by itself (H1)."""
        self._heard.add(descriptor)
        before = self._by_peer.get((port, peer))
        if before is not None and before.descriptor == descriptor:
            return True
        if (connection := self.of(descriptor)) is not None:
            self._by_peer[port, peer] = connection
        if before is None:
            return True
        self.cut(before)
        return False

    def of(self, descriptor: int) -> Connection | None:
        """The connection that has a descriptor now; None: it is closed already."""
        ends = ends_of(descriptor)
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

    def doom(self, descriptor: int) -> None:
        """Have a connection closed at the next look: until then its peer can read why."""
        if (connection := self.of(descriptor)) is not None:
            self._doomed[descriptor] = connection

    def is_doomed(self, descriptor: int) -> bool:
        """Whether nothing that comes by a descriptor is to be heard any more."""
        doomed = self._doomed.get(descriptor)
        return doomed is not None and self.of(descriptor) is doomed

    def cut(self, connection: Connection) -> None:
        """Close a connection, unless it is closed already."""
        connection.is_cut = True
        self.n_cut += 1
        close_connection(connection.descriptor, connection.address)

    def are_stuck(self, *, is_idle: bool) -> bool:
        """Whether libzmq keeps the descriptors of too many closed connections, which it does until
        the socket is closed: of peers that let another take their routing id over, sent on and
        left (H1). One that lasts is too many where nobody is connected (`is_idle`), and now and
        then; for who is connected then it is a lost connection, and none to be had often."""
        now_s = self._clock()
        ages = [now_s - since_s for since_s in self._remnants.values()]
        is_due = is_idle or now_s >= self._free_again_s
        if sum(age_s > 1 for age_s in ages) < _MOST_STUCK and not (
            is_due and max(ages, default=0.0) > _STUCK_S
        ):
            return False
        self._free_again_s = now_s + _FREE_EVERY_S
        return True

    def look(self, *, has_read_all: bool) -> bool:
        """Take in which connections there are, and close those that did not greet in time and
        those that send a message without end (M4); whether one is suspected of that, so that the
        next look should be soon. To be called several times a second; endless messages are found
        only where all whole ones are read soon after they have come."""
        now_s = self._clock()
        is_fair = has_read_all and now_s - self._looked_s <= _LATE_S
        self._looked_s = now_s
        self._find()
        for connection in self._doomed.values():
            self.cut(connection)
        self._doomed.clear()
        for connection in list(self._of.values()):
            is_endless = self._sends_without_end(connection) and is_fair
            if is_endless or (not connection.has_greeted and now_s - connection.since_s > GREET_S):
                self.cut(connection)
        self._heard.clear()
        return any(connection.is_suspect for connection in self._of.values())

    def make_room(self) -> bool:
        """Keep descriptors free for the server's own files (H3); whether few were left, so that
        this must be called again soon.

        Then it lets nobody in for a while, and closes connections that have not greeted, the
        oldest first, and when there is none, the youngest of the others. Waits a moment for that.
        """
        most = most_descriptors()
        spare = reserve(most)
        number = free_number()
        if number < most - spare:
            is_roomy = number < most - 2 * spare
            if self._is_paused and is_roomy:
                self._pause(wanted=False)
            return not is_roomy
        self._pause(wanted=True)
        self._find()
        for connection in self._least_missed()[:spare]:
            self.cut(connection)
        until_s = time.monotonic() + _CLOSING_S
        while free_number() >= most - spare and time.monotonic() < until_s:
            time.sleep(0.001)  # libzmq's thread closes them
        return True

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
        now_s = self._clock()
        before, self._of = self._of, {}
        remnants = set()
        for number in numbers:
            ends = ends_of(number)
            if ends is None and any(is_remnant(number, port) for port in self._message_bytes):
                remnants.add(number)
            if ends is None or ends[1] not in self._message_bytes:
                continue
            address = ends[0]
            known = before.get(number)
            if known is None or known.address != address:
                known = Connection(number, address, now_s)
            if known.is_cut:  # its peer has not closed its end
                remnants.add(number)
            self._of[number] = known
        self._by_peer = {k: c for k, c in self._by_peer.items() if self._of.get(c.descriptor) is c}
        self._remnants = {number: self._remnants.get(number, now_s) for number in remnants}

    def _sends_without_end(self, connection: Connection) -> bool:
        """Whether more bytes have come since the last whole message than the largest one has,
        in two looks one after the other: libzmq keeps the frames of an unfinished one for ever."""
        received = received_bytes(connection.descriptor)
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
        if wanted == self._is_paused:
            return
        for number in open_descriptors() or ():
            for port in self._message_bytes:
                filter_listener(number, port, drops=wanted)
        self._is_paused = wanted
