"""Where a server may listen."""

from __future__ import annotations

import pytest
import zmq

from protocol.client import Client
from protocol.errors import EncryptionRequired, InvalidArgument, LinkError, SecurityError
from protocol.keys import make_key_pair
from protocol.serving import Routers, check_bind
from protocol.wire import Address

from ..conftest import QUICK


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "[::]", "example.org"])  # noqa: S104
def test_c12_a_bind_that_others_can_reach_needs_keys(host):
    with zmq.Context() as context, pytest.raises(EncryptionRequired):
        Routers(context, f"tcp://{host}:0", keys=None)
    assert check_bind(f"tcp://{host}:5570", encrypted=True)[1] == 5570


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "[::1]"])
def test_loopback_needs_none(host):
    assert check_bind(f"tcp://{host}:0", encrypted=False)[1] == 0


@pytest.mark.parametrize("bind", ["", "127.0.0.1:1", "tcp://*:1", "tcp://127.0.0.1", "ipc://x"])
def test_another_form_is_refused(bind):
    with pytest.raises((InvalidArgument, EncryptionRequired)):
        check_bind(bind, encrypted=False)


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
