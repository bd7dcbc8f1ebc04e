"""Connections that a server closes, and what nobody else loses by it."""

from __future__ import annotations

import os
import socket
import time
from contextlib import ExitStack, suppress

import pytest
import zmq

from protocol import codec
from protocol import messages as m
from protocol.client import Client
from protocol.errors import Busy, LinkError
from protocol.keys import make_key_pair
from protocol.limits import DEAD_S, INVALID_IN_A_ROW, OPEN_FETCHES
from protocol.messages.jobs import BlobId
from protocol.messages.parts import Limits
from protocol.server.connections import Connections
from protocol.server.descriptors import free_number, open_descriptors
from protocol.server.tcp import close_connection, ends_of
from protocol.testing import FakeServer, RawPeer
from protocol.wire import Address

from ..conftest import QUICK

PING = codec.encode_control(m.Ping(7))


def until(condition, for_s: float = 5.0) -> None:
    deadline_s = time.monotonic() + for_s
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def flood(peer: RawPeer) -> None:
    """Send for as long as there is a connection, and it takes more."""
    with suppress(zmq.Again):
        for _ in range(200):
            peer.socket.send(PING, zmq.NOBLOCK)


def is_closed(peer: RawPeer) -> bool:
    """Whether a DEALER that never reconnects has nobody to send to."""
    return not peer.socket.poll(0, zmq.POLLOUT)


def test_m1_a_peer_that_sends_noise_is_answered_and_then_closed(server):
    with RawPeer(server.endpoint) as peer:
        peer.hello()
        for _ in range(INVALID_IN_A_ROW):
            assert peer.control(b"\xc1").code == "invalid_message"
        until(lambda: is_closed(peer))


def test_c9_a_peer_that_never_greets_is_closed_after_as_many_messages(server):
    with RawPeer(server.endpoint) as peer:
        for _ in range(INVALID_IN_A_ROW):
            assert peer.control(PING).code == "protocol_error"
        until(lambda: is_closed(peer))


def test_h1_who_takes_a_routing_id_over_begins_anew_and_the_first_is_closed(server):
    with RawPeer(server.endpoint, routing_id=b"taken") as first:
        connection = first.hello().connection
        with RawPeer(server.endpoint, routing_id=b"taken") as second:
            assert second.control(PING).code == "protocol_error"  # not the first one's session
            assert second.hello().connection != connection
            until(lambda: is_closed(first))
            assert len(server.sessions) == 1


def test_h1_a_message_counts_for_the_session_of_its_own_key_only(tmp_path):
    keys, anna, ben = make_key_pair(), make_key_pair(), make_key_pair()
    with (
        FakeServer(tmp_path, keys=keys, authorised={anna.public, ben.public}) as server,
        _with_keys(server, keys, anna) as first,
    ):
        first.hello()
        with _with_keys(server, keys, ben) as second:
            assert second.control(PING).code == "protocol_error"
            second.hello()
            assert [session.user for session in server.sessions.all()] == [ben.public]


def _with_keys(server, keys, pair) -> RawPeer:
    return RawPeer(
        server.endpoint,
        routing_id=b"taken",
        curve_serverkey=keys.public.encode(),
        curve_publickey=pair.public.encode(),
        curve_secretkey=pair.secret.encode(),
    )


def test_h10_a_key_that_is_taken_out_loses_its_open_connection(tmp_path):
    keys, mine = make_key_pair(), make_key_pair()
    authorised = {mine.public}
    with FakeServer(tmp_path, keys=keys, authorised=authorised) as server:
        address = Address(server.endpoint, keys.public, mine)
        with Client(address, timeouts=QUICK) as client:
            client.ping()
            link = client.conversation.current
            authorised.clear()
            until(lambda: _is_lost(link))
            assert len(server.sessions) == 0


def _is_lost(link) -> bool:
    try:
        link.pump(0)
    except LinkError:
        return True
    return False


def test_h6_a_key_has_so_many_connections_and_others_have_their_own(tmp_path):
    keys, many, one = make_key_pair(), make_key_pair(), make_key_pair()
    limits = Limits(connections=3)
    authorised = {many.public, one.public}
    with FakeServer(tmp_path, keys=keys, authorised=authorised, limits=limits) as server:
        address = Address(server.endpoint, keys.public, many)
        with ExitStack() as stack:
            for _ in range(3):
                client = stack.enter_context(Client(address, timeouts=QUICK))
                assert client.connect().limits.connections == 3
            with pytest.raises(Busy, match="3 connections"):
                stack.enter_context(Client(address, timeouts=QUICK))
            other = Address(server.endpoint, keys.public, one)
            stack.enter_context(Client(other, timeouts=QUICK)).ping()


def test_h6_who_asks_for_ranges_on_and_on_is_closed(server):
    blob = server.store.add(bytes(1 << 20))
    with RawPeer(server.endpoint) as peer, RawPeer(f"tcp://127.0.0.1:{server.ports[1]}") as data:
        data.hello(peer.hello().connection)
        server.sockets.transfers.downloads.step = lambda: None  # as if nothing could be sent
        for number in range(OPEN_FETCHES + 1):
            data.send(*codec.encode_data(m.Fetch(10 + number, blob, 0, 1 << 20)))
        until(lambda: is_closed(data))
        until(lambda: is_closed(peer))


def test_h6_a_client_has_so_many_uploads_open(tmp_path):
    with (
        FakeServer(tmp_path, limits=Limits(open_uploads=2)) as server,
        RawPeer(server.endpoint) as peer,
        RawPeer(f"tcp://127.0.0.1:{server.ports[1]}") as data,
    ):
        data.hello(peer.hello().connection)
        answers = []
        for number in range(3):
            blob = BlobId(f"{number:064x}", 5)
            answers.append(data.data(*codec.encode_data(m.BeginUpload(5 + number, blob))))
        assert [type(a) for a in answers] == [m.UploadReady, m.UploadReady, m.Failure]
        assert answers[2].code == "busy"


def test_t14_a_client_leaves_a_server_that_was_silent_for_too_long(server, client):
    client.ping()
    server.sockets.routers.send = lambda *_: True  # it hangs, and its connections stay
    link = client.conversation.current
    until(lambda: not link.pump(0) and not link.control)
    link.heard_s -= DEAD_S + 1
    with pytest.raises(LinkError, match="silent"):
        link.pump(0.01)


@pytest.fixture
def listening():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def connected(listening) -> tuple[socket.socket, socket.socket]:
    ours = socket.create_connection(listening.getsockname())
    return ours, listening.accept()[0]


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_c10_connections_without_hello_are_found_and_closed_in_time(listening):
    clock = Clock()
    connections = Connections({listening.getsockname()[1]: 1 << 20}, clock)
    theirs, mine = connected(listening)
    with theirs, mine:
        connections.look(has_read_all=True)
        assert len(connections) == 1
        clock.now_s += 14
        connections.look(has_read_all=True)
        theirs.settimeout(0.05)
        with pytest.raises(TimeoutError):
            theirs.recv(1)
        clock.now_s += 2
        connections.look(has_read_all=True)
        assert theirs.recv(1) == b""


def test_m4_a_message_without_end_is_cut_and_a_long_one_is_not(listening):
    clock = Clock()
    port = listening.getsockname()[1]
    connections = Connections({port: 1 << 10}, clock)
    theirs, mine = connected(listening)
    with theirs, mine:
        connections.greeted(mine.fileno())
        for sent, is_whole in ((1 << 12, True), (1 << 10, False), (1 << 11, False)):
            theirs.sendall(bytes(sent))
            if is_whole:
                connections.heard(port, b"peer", mine.fileno())
            clock.now_s += 0.5
            assert not connections.look(has_read_all=True) or not is_whole
        clock.now_s += 0.5
        connections.look(has_read_all=True)  # twice suspect
        until(lambda: ends_of(mine.fileno()) is None or theirs.recv(1) == b"")


def test_h3_few_descriptors_left_close_the_silent_and_keep_who_has_greeted(listening, monkeypatch):
    clock = Clock()
    connections = Connections({listening.getsockname()[1]: 1 << 20}, clock)
    pairs = [connected(listening) for _ in range(5)]
    connections.greeted(pairs[0][1].fileno())
    most = free_number() + 2
    monkeypatch.setattr("protocol.server.connections.most_descriptors", lambda: most)
    assert connections.make_room()
    left = [theirs for theirs, mine in pairs if ends_of(mine.fileno()) is not None]
    assert pairs[0][0] in left
    with pytest.raises(TimeoutError):  # nobody gets in meanwhile
        socket.create_connection(listening.getsockname(), timeout=0.3)
    for theirs, mine in pairs:
        theirs.close()
        mine.close()
    monkeypatch.setattr("protocol.server.connections.most_descriptors", lambda: 1 << 16)
    assert not connections.make_room()
    socket.create_connection(listening.getsockname(), timeout=3).close()


def test_h3_a_number_that_stands_for_another_connection_by_now_is_not_closed(listening):
    theirs, mine = connected(listening)
    with theirs, mine:
        close_connection(mine.fileno(), ("127.0.0.1", 1))
        theirs.sendall(b"x")
        assert mine.recv(1) == b"x"
        before = len(open_descriptors())
        with open(os.devnull) as no_socket:
            close_connection(no_socket.fileno(), ("127.0.0.1", 1))
        assert len(open_descriptors()) == before


def test_h1_taking_routing_ids_over_again_and_again_leaks_no_descriptor(server):
    """Twenty pairs: the first is taken over, sends on, and leaves."""
    with RawPeer(server.endpoint) as honest:
        honest.hello()
        before = len(open_descriptors())
        for number in range(20):
            routing_id = f"pair {number}".encode()
            with RawPeer(server.endpoint, routing_id=routing_id) as first:
                first.control(PING)
                with RawPeer(server.endpoint, routing_id=routing_id) as second:
                    second.control(PING)
                    flood(first)
        until(lambda: len(open_descriptors()) <= before)
        assert honest.control(PING).reply_to == 7


def test_h1_remnants_that_libzmq_keeps_are_freed_by_listening_again(server, monkeypatch):
    """The first sends nothing before it is taken over, so that nobody knows it."""
    monkeypatch.setattr("protocol.server.connections._STUCK_S", 1.0)
    monkeypatch.setattr("protocol.server.connections.GREET_S", 0.5)
    before = len(open_descriptors())
    for number in range(4):
        routing_id = f"pair {number}".encode()
        with RawPeer(server.endpoint, routing_id=routing_id) as first:
            until(lambda: not is_closed(first))
            with RawPeer(server.endpoint, routing_id=routing_id) as second:
                with suppress(TimeoutError):  # the first may have been the later one
                    second.control(PING)
                flood(first)
                time.sleep(0.05)  # for libzmq's own thread, which nobody can ask
    with Client(Address(server.endpoint), timeouts=QUICK) as client:
        client.ping()
    until(lambda: len(open_descriptors()) <= before)
