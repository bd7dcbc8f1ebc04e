"""Who listens on the way learns nothing, and what he sends again does nothing."""

from __future__ import annotations

import socket

import pytest

from protocol.client import Client
from protocol.keys import make_key_pair
from protocol.testing import FakeServer, Proxy
from protocol.wire import Address

from .conftest import QUICK

GREETING = 10, 64  # bytes after which a ZMTP peer answers


def send_again(port: int, recorded: bytes) -> None:
    """Say what a client said, each part when the server has answered the one before."""
    pieces = recorded[: GREETING[0]], recorded[GREETING[0] : GREETING[1]], recorded[GREETING[1] :]
    with socket.create_connection(("127.0.0.1", port), timeout=5) as thief:
        for piece in pieces:
            thief.sendall(piece)
            assert thief.recv(65_536)
        thief.settimeout(0.5)
        try:
            while thief.recv(65_536):  # until it is cut off, or the server has no more to say
                pass
        except OSError:
            pass


def test_c6_what_is_sent_encrypted_cannot_be_read_on_the_way(tmp_path, server_keys):
    mine, canary = make_key_pair(), b"CANARY" * 20
    source = tmp_path / "source"
    source.write_bytes(canary * 1000)
    server = FakeServer(tmp_path / "s", keys=server_keys, authorised={mine.public})
    with server, Proxy(server.ports[1]) as proxy:
        proxy.record = True
        address = Address(server.endpoint, server_keys.public, mine, proxy.endpoint)
        with Client(address, timeouts=QUICK) as client:
            client.upload(source)
        assert canary not in proxy.recorded
        assert len(proxy.recorded) > len(canary) * 1000
    with FakeServer(tmp_path / "p") as server, Proxy(server.ports[1]) as proxy:
        proxy.record = True
        address = Address(server.endpoint, data_endpoint=proxy.endpoint)
        with Client(address, timeouts=QUICK) as client:
            client.upload(source)
        assert canary in proxy.recorded  # which proves the test


@pytest.mark.parametrize("encrypted", [True, False], ids=["curve", "plain"])
def test_c6_what_was_recorded_and_is_sent_again_says_nothing_to_a_server_with_keys(
    tmp_path, server_keys, encrypted
):
    mine = make_key_pair()
    keys = {"keys": server_keys, "authorised": {mine.public}} if encrypted else {}
    with FakeServer(tmp_path, **keys) as server, Proxy(server.ports[0]) as proxy:
        proxy.record = True
        pair = (server_keys.public, mine) if encrypted else ()
        with Client(Address(proxy.endpoint, *pair), timeouts=QUICK) as client:
            client.status()
        before = server.counts["Hello"], server.counts["GetStatus"]
        send_again(server.ports[0], bytes(proxy.recorded_up))
        after = server.counts["Hello"], server.counts["GetStatus"]
    assert (after == before) is encrypted  # without keys all of it counts, which proves the test
