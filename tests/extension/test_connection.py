"""The installed extension's own client talks to a real server with keys."""

from __future__ import annotations

import importlib

import pytest

pytestmark = pytest.mark.blender


@pytest.fixture
def part(blender, extension):
    """Import a module of the installed extension by its name inside."""
    return lambda name: importlib.import_module(f"{extension}.{name}")


def test_the_client_in_the_zip_reaches_the_server(part, start_server):
    server = start_server()
    keys = part("protocol.keys").load_key_pair(server.client_keys, "client")
    address = part("protocol.wire").Address(server.endpoint, server.server_key, keys)
    with part("protocol.client").Client(address) as client:
        assert client.ping() < 60
        assert client.jobs() == []
