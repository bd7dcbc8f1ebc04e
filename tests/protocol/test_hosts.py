"""Which hosts are this computer, by their spelling and by their name."""

from __future__ import annotations

import socket
import sys
from ipaddress import ip_address

import pytest

from protocol.hosts import addresses_of, is_loopback_host, numeric_address


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.1", "127.0.0.1"),
        ("010.0.0.1", "8.0.0.1"),  # octal, as the system reads it
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("::1", "::1"),
        ("0", "0.0.0.0"),  # noqa: S104
    ],
)
def test_a_number_is_read_as_the_system_reads_it(host, address):
    assert numeric_address(host) == ip_address(address)


@pytest.mark.parametrize("host", ["", "localhost", "127.0.0.1.", "1.2.3.4.5", "256.1", "a\0b"])
def test_what_is_no_number_is_a_name(host):
    assert numeric_address(host) is None


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "127.1", "0x7f.1", "::1"])
def test_h17_a_client_knows_loopback_by_its_spelling(host):
    assert is_loopback_host(host)


@pytest.mark.parametrize("host", ["", "lo", "0", "::", "localhost.example", "127.0.0.1.example"])
def test_h17_a_client_asks_nobody_about_a_name(host, monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", None)
    assert not is_loopback_host(host)


@pytest.mark.parametrize("name", ["no-such-host.invalid", "a\0b", "a" * 300, "..", "", "\udc80"])
def test_a_name_of_nothing_has_no_addresses(name):
    assert addresses_of(name) == []


@pytest.mark.skipif(sys.platform != "linux", reason="interfaces have other names there")
def test_an_interface_has_the_address_of_its_own():
    assert addresses_of("lo") == [ip_address("127.0.0.1")]
