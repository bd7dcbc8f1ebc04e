"""Ports of loopback for servers that come and go."""

from __future__ import annotations

import contextlib
import os
import random
import socket
from pathlib import Path

__all__ = ["free_ports", "lasting_endpoint"]

_LOWEST = 10_000
_random = random.Random(os.urandom(8))  # noqa: S311


def free_ports() -> tuple[int, int]:
    """Two ports, one after the other, where nobody listens just now. The system gives neither to
    an outgoing connection, which could take it while a server is restarted."""
    outgoing = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(outgoing.read_text().split()[0]) if outgoing.exists() else 32_768
    for _ in range(1000):
        port = _random.randrange(_LOWEST, first - 1)
        with contextlib.suppress(OSError), socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", port))
            two.bind(("127.0.0.1", port + 1))
            return port, port + 1
    raise OSError("no two ports of loopback are free")


def lasting_endpoint() -> str:
    """Where a server can be ended and started again: nobody takes its ports meanwhile."""
    return f"tcp://127.0.0.1:{free_ports()[0]}"
