"""What a client says when it cannot connect, and how soon."""

from __future__ import annotations

import time

import pytest

from protocol.client import Client
from protocol.errors import (
    EncryptionRequired,
    InvalidArgument,
    NotAuthorised,
    NotReachable,
    TimedOut,
    UnexpectedMessage,
    VersionMismatch,
    WrongServerKey,
)
from protocol.keys import make_key_pair
from protocol.messages import Failure
from protocol.testing import FakeServer, Proxy, RawPeer
from protocol.wire import Address
from tests.faults.ports import free_ports

from ..conftest import QUICK


def refusal(address: Address, within_s: float, expected: type[Exception]) -> str:
    began_s = time.monotonic()
    with pytest.raises(expected) as caught, Client(address, timeouts=QUICK):
        pass
    assert time.monotonic() - began_s < within_s
    assert type(caught.value) is expected
    return caught.value.text


def test_c1_no_server_is_told_with_host_and_port():
    port = free_ports()[0]
    text = refusal(Address(f"tcp://127.0.0.1:{port}"), 5, NotReachable)
    assert f"127.0.0.1:{port}" in text


def test_c1_a_server_that_says_nothing_is_not_waited_for_longer_than_asked(server):
    with Proxy(server.ports[0]) as proxy:
        proxy.blackhole = True
        refusal(Address(proxy.endpoint), 5, NotReachable)


def test_c1_a_server_that_hangs_is_told_apart(server):
    server.sockets.silent = True
    refusal(Address(server.endpoint), 5, TimedOut)


def test_c1_a_client_connects_once_the_server_is_there(tmp_path):
    ports = free_ports()
    client = Client(Address(f"tcp://127.0.0.1:{ports[0]}"), timeouts=QUICK)
    try:
        with pytest.raises(NotReachable):
            client.connect()
        with FakeServer(tmp_path, ports=ports):
            assert client.ping() < 5
    finally:
        client.close()


def test_c2_another_server_key_is_told_within_2_s(tmp_path, server_keys, client_keys):
    with FakeServer(tmp_path, keys=server_keys, authorised={client_keys.public}) as server:
        address = Address(server.endpoint, make_key_pair().public, client_keys)
        text = refusal(address, 2, WrongServerKey)
        assert "differs" in text
        assert server.counts.total() == 0


def test_c2_a_tunnel_with_nothing_behind_it_is_not_a_wrong_key(client_keys):
    with Proxy(free_ports()[0]) as proxy:
        address = Address(proxy.endpoint, make_key_pair().public, client_keys)
        refusal(address, 5, NotReachable)


def test_c3_an_unknown_client_key_is_told_and_let_in_without_a_restart(
    tmp_path, server_keys, client_keys
):
    authorised: set[str] = set()
    with FakeServer(tmp_path, keys=server_keys, authorised=authorised) as server:
        address = Address(server.endpoint, server_keys.public, client_keys)
        refusal(address, 2, NotAuthorised)
        authorised.add(client_keys.public)
        with Client(address, timeouts=QUICK) as client:
            assert client.status().encrypted


def test_c4_a_plain_client_is_told_that_keys_are_wanted(tmp_path, server_keys):
    with FakeServer(tmp_path, keys=server_keys) as server:
        refusal(Address(server.endpoint), 2, EncryptionRequired)


def test_c4_a_client_with_keys_never_speaks_to_a_plain_server(server, server_keys, client_keys):
    address = Address(server.endpoint, server_keys.public, client_keys)
    refusal(address, 2, EncryptionRequired)
    assert server.counts.total() == 0


@pytest.mark.parametrize("major", [0, 2])
def test_c8_another_major_version_is_refused_naming_both(server, major):
    with RawPeer(server.endpoint) as peer:
        answer = peer.hello(major=major)
        assert isinstance(answer, Failure)
        assert answer.code == "version_mismatch"
        assert f"{major}.0" in answer.text
        assert "1.0" in answer.text
        assert ("Update the server" in answer.text) == (major == 2)
    assert len(server.sessions) == 0


def test_c8_a_client_names_both_versions(server, monkeypatch):
    monkeypatch.setattr("protocol.client.conversation.MAJOR", 2)
    text = refusal(Address(server.endpoint), 5, VersionMismatch)
    assert "2.0" in text
    assert "1.0" in text


def test_c7_another_minor_version_is_welcome(server):
    with RawPeer(server.endpoint) as peer:
        assert peer.hello(minor=7, capabilities=["shot", "dreams"]).capabilities == ["shot"]


@pytest.mark.parametrize(
    "endpoint", ["", "localhost:1", "ipc:///x", "tcp://", "tcp://h", "tcp://h:99999", "udp://h:1"]
)
def test_an_endpoint_of_another_form_is_refused(endpoint):
    with pytest.raises(InvalidArgument):
        Address(endpoint)


def test_half_of_the_keys_is_refused_rather_than_going_plain(client_keys):
    with pytest.raises(InvalidArgument):
        Address("tcp://h:1", None, client_keys)
    with pytest.raises(InvalidArgument):
        Address("tcp://h:1", client_keys.public, None)


def test_the_port_for_data_is_told_from_the_servers_own(server):
    _, data = server.ports
    text = refusal(Address(f"tcp://127.0.0.1:{data}"), 5, UnexpectedMessage)
    assert "This is the server's port for data" in text
    assert len(server.sessions) == 0


def test_a_name_that_does_not_exist_is_not_reachable():
    refusal(Address("tcp://nowhere.invalid:5570"), 5, NotReachable)


def test_a_web_server_is_not_taken_for_ours(client_keys):
    with Proxy(free_ports()[0]) as proxy:
        refusal(Address(proxy.endpoint), 5, NotReachable)
