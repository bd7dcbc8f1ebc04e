"""Which hosts are this computer alone, however they are spelled."""

from __future__ import annotations

import ipaddress
import socket
import struct
import sys

__all__ = ["IPAddress", "addresses_of", "is_loopback_host", "numeric_address"]

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
_SIOCGIFADDR = 0x8915  # of Linux: an interface's first IPv4 address


def numeric_address(host: str) -> IPAddress | None:
    """The address that a host without a name stands for, as the system reads it: `127.1`,
    `0x7f.1` and `2130706433` are 127.0.0.1, and so is `::ffff:127.0.0.1`. None: it is a name."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except (OSError, ValueError):
            return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def is_loopback_host(host: str) -> bool:
    """Whether a host is this computer by its spelling alone. Asks no name server, so it does not
    wait; of names it knows `localhost`, which never leaves the computer (RFC 6761)."""
    address = numeric_address(host)
    if address is None:
        return host.lower().removesuffix(".") == "localhost"
    return address.is_loopback


def addresses_of(name: str) -> list[IPAddress]:
    """The addresses that a server is reached at when it binds a name, IPv4 first: those of the
    network interface of that name, as libzmq looks, else those that the system finds for it. Empty
    when there are none. May wait for a name server."""
    if (of_interface := _interface_address(name)) is not None:
        return [of_interface]
    try:
        found = socket.getaddrinfo(name.removesuffix("."), None, type=socket.SOCK_STREAM)
    except (OSError, ValueError):  # ValueError: what no name can be
        return []
    addresses = (numeric_address(str(where[0])) for *_, where in found)
    return sorted({a for a in addresses if a is not None}, key=lambda a: (a.version, str(a)))


def _interface_address(name: str) -> IPAddress | None:
    if sys.platform != "linux":
        return None
    import fcntl

    try:
        request = struct.pack("16s24x", name.encode("ascii")[:15])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            answer = fcntl.ioctl(asking, _SIOCGIFADDR, request)
    except (OSError, ValueError):  # no such interface, or none with an IPv4 address
        return None
    return ipaddress.IPv4Address(answer[20:24])
