"""Where a server may listen."""

from __future__ import annotations

import socket
import sys

import pytest
import zmq

from protocol.client import Client
from protocol.errors import EncryptionRequired, InvalidArgument, LinkError, SecurityError
from protocol.keys import make_key_pair
from protocol.server import Routers, check_bind
from protocol.wire import Address

from ..conftest import QUICK

LOOPBACK = {  # how somebody may write it: what is bound
    "127.0.0.1": "127.0.0.1",
    "127.0.0.2": "127.0.0.2",
    "127.1.2.3": "127.1.2.3",
    "127.255.255.254": "127.255.255.254",
    "127.1": "127.0.0.1",
    "127.0.1": "127.0.0.1",
    "0x7f.1": "127.0.0.1",
    "0x7f000001": "127.0.0.1",
    "2130706433": "127.0.0.1",
    "0177.0.0.1": "127.0.0.1",
    "017700000001": "127.0.0.1",
    "127.000.000.001": "127.0.0.1",
    "localhost": "127.0.0.1",
    "LOCALHOST": "127.0.0.1",
    "LocalHost": "127.0.0.1",
    "localhost.": "127.0.0.1",
    "[::1]": "::1",
    "[0:0:0:0:0:0:0:1]": "::1",
    "[::0001]": "::1",
    "[::ffff:127.0.0.1]": "127.0.0.1",
    "[::FFFF:7f00:1]": "127.0.0.1",
}
REACHABLE = [
    *(
        "0.0.0.0",  # noqa: S104
        "0",
        "0x0",
        "0.0",
        "00",
        "*",
        "[::]",
        "[0::0]",
        "[::ffff:0.0.0.0]",
        "[::ffff:0:0]",
    ),
    *("192.168.1.5", "8.8.8.8", "128.0.0.1", "126.255.255.255", "255.255.255.255", "224.0.0.1"),
    *("0127.0.0.1", "127", "1.127", "3232235777", "0x7e.1", "0x80.1"),  # 87.0.0.1, 0.0.0.127, ...
    *(
        "[fe80::1]",
        "[fd00::2]",
        "[::2]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
    ),
    *("example.org", "no-such-host.invalid", "localhost.invalid", "127.0.0.1.invalid"),
]
NO_ENDPOINT = [
    *("", "127.0.0.1:1", "tcp://127.0.0.1", "ipc://x", "tcp://", "tcp://:1", "tcp:///x:1"),
    *("TCP://127.0.0.1:1", " tcp://127.0.0.1:1", "tcp://127.0.0.1:1 ", "tcp://127.0.0.1:1/x"),
    *("tcp://127.0.0.1:1?", "tcp://127.0.0.1:1#", "tcp://me@127.0.0.1:1", "tcp://::1:1"),
    *("tcp://[::1:1", "tcp://::1]:1", "tcp://[]:1", "tcp://[localhost]:1", "tcp://[127.0.0.1]:1"),
    *("tcp://127.0.0.1:65536", "tcp://127.0.0.1:-1", "tcp://127.0.0.1:*", "tcp://127.0.0.1:x"),
    *(
        "tcp://127.0.0.1:\u0661",
        "tcp://127.0.0.1 :1",
        "tcp://127.0.0.1%lo:1",
        "tcp://127.0.0.1:1\n",
    ),
    *("tcp://127.0.0.1;8.8.8.8:1", "tcp://8.8.8.8;127.0.0.1:1"),
]


@pytest.mark.parametrize("host", LOOPBACK)
def test_h17_every_spelling_of_loopback_needs_no_keys_and_is_what_is_bound(host):
    assert check_bind(f"tcp://{host}:0", encrypted=False) == (LOOPBACK[host], 0)


@pytest.mark.parametrize("host", ["127.1", "localhost.", "2130706433", "[::ffff:127.0.0.1]", "lo"])
def test_h17_a_server_listens_where_it_was_told(host):
    if host == "lo" and sys.platform != "linux":
        pytest.skip("interfaces have other names here")
    with zmq.Context() as context:
        routers = Routers(context, f"tcp://{host}:0", keys=None)
        try:
            assert routers.endpoint == f"tcp://127.0.0.1:{routers.port}"
            with socket.create_connection(("127.0.0.1", routers.port), timeout=5):
                pass
        finally:
            routers.close()


@pytest.mark.parametrize("host", REACHABLE)
def test_c12_h17_a_bind_that_others_may_reach_needs_keys(host):
    with zmq.Context() as context, pytest.raises(EncryptionRequired, match="needs keys"):
        Routers(context, f"tcp://{host}:0", keys=None)
    assert check_bind(f"tcp://{host}:5570", encrypted=True)[1] == 5570


@pytest.mark.parametrize(
    ("addresses", "needs_keys"),
    [
        (["127.0.0.1"], False),
        (["127.0.0.1", "::1"], False),
        (["::1"], False),
        (["127.0.0.1", "192.0.2.7"], True),
        (["192.0.2.7", "127.0.0.1"], True),
        (["::1", "2001:db8::7"], True),
        (["0.0.0.0"], True),  # noqa: S104
        ([], True),
    ],
)
def test_h17_a_name_is_judged_by_all_of_its_addresses(monkeypatch, addresses, needs_keys):
    """`localhost` is a name as any other: what counts is what the system makes of it."""
    found = [(0, 0, 0, "", (address, 0)) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *given, **more: found)
    for name in ("localhost", "box"):
        if needs_keys:
            with pytest.raises(EncryptionRequired):
                check_bind(f"tcp://{name}:0", encrypted=False)
        else:
            assert check_bind(f"tcp://{name}:0", encrypted=False)[0] == addresses[0]


@pytest.mark.parametrize("bind", NO_ENDPOINT)
@pytest.mark.parametrize("encrypted", [False, True])
def test_h17_another_form_is_refused_in_one_sentence(bind, encrypted):
    with pytest.raises(InvalidArgument, match="is not of the form tcp://HOST:PORT"):
        check_bind(bind, encrypted=encrypted)


def test_c5_nobody_gets_in_while_nobody_checks_keys():
    keys, mine = make_key_pair(), make_key_pair()
    with zmq.Context() as context:
        routers = Routers(context, "tcp://127.0.0.1:0", keys=keys)  # and no ZapHandler
        try:
            address = Address(routers.endpoint, keys.public, mine)
            with pytest.raises((LinkError, SecurityError)), Client(address, timeouts=QUICK):
                pass
            assert routers.receive("control") is None
        finally:
            routers.close()


def test_the_system_chooses_both_ports_when_asked():
    with zmq.Context() as context:
        routers = Routers(context, "tcp://127.0.0.1:0", keys=None)
        try:
            assert routers.port != routers.data_port
            assert routers.endpoint == f"tcp://127.0.0.1:{routers.port}"
        finally:
            routers.close()
