"""What the system knows of a TCP connection, and lets us do with it, by its descriptor alone.

The descriptors belong to libzmq, which may close one at any moment: then it is no connection.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["close_connection", "ends_of", "filter_listener", "is_remnant", "received_bytes"]

_RECEIVED = struct.Struct("<128xQ")  # tcpi_bytes_received in Linux's TCP_INFO
_DROP_ALL = struct.pack("HBBI", 6, 0, 0, 0)  # a packet filter that lets nothing through
_SO_ATTACH_FILTER, _SO_DETACH_FILTER = 26, 27  # of Linux


def ends_of(number: int) -> tuple[tuple[str, int], int] | None:
    """The peer's host and port, and the local port, of a TCP connection; None for all else."""
    with suppress(OSError, TypeError, ValueError), _borrowed(number) as borrowed:
        host, port, *_ = borrowed.getpeername()
        return (str(host), int(port)), int(borrowed.getsockname()[1])
    return None


def is_remnant(number: int, port: int) -> bool:
    """Whether a descriptor is what is left of a connection to a local port that is closed."""
    with suppress(OSError, TypeError, IndexError), _borrowed(number) as borrowed:
        if borrowed.getsockname()[1] != port:
            return False
        try:
            borrowed.getpeername()
        except OSError:
            return not borrowed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    return False


def received_bytes(number: int) -> int:
    """Bytes that the peer has sent, where the system counts them; 0 otherwise."""
    with suppress(OSError, AttributeError, struct.error), _borrowed(number) as borrowed:
        told = borrowed.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _RECEIVED.size)
        return int(_RECEIVED.unpack(told)[0])
    return 0


def close_connection(number: int, peer: tuple[str, int]) -> None:
    """End a connection for both sides, unless the descriptor has another peer by now."""
    with suppress(OSError), _shared(number) as shared:
        ends = ends_of(shared.fileno())
        if ends is not None and ends[0] == peer:
            shared.shutdown(socket.SHUT_RDWR)


def filter_listener(number: int, port: int, *, drops: bool) -> None:
    """Have a socket that listens on a port drop every packet that would open a connection, or
    none; for any other descriptor, and where the system has no such filter, nothing happens."""
    if not sys.platform.startswith("linux"):
        return
    with suppress(OSError, TypeError, IndexError), _borrowed(number) as borrowed:
        listens = borrowed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
        if not listens or borrowed.getsockname()[1] != port:
            return
        if not drops:
            borrowed.setsockopt(socket.SOL_SOCKET, _SO_DETACH_FILTER, 0)
            return
        instruction = ctypes.create_string_buffer(_DROP_ALL, len(_DROP_ALL))
        program = struct.pack("HL", 1, ctypes.addressof(instruction))
        borrowed.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


@contextmanager
def _shared(number: int) -> Iterator[socket.socket]:
    """A socket object of our own for what a descriptor stands for now, whatever becomes of the
    number meanwhile. Raises OSError when it is closed."""
    if sys.platform == "win32":  # a socket is no descriptor there, and cannot be doubled like one
        with _borrowed(number) as borrowed:
            yield borrowed
        return
    duplicate = os.dup(number)
    try:
        with _borrowed(duplicate) as shared:
            yield shared
    finally:
        os.close(duplicate)


@contextmanager
def _borrowed(number: int) -> Iterator[socket.socket]:
    """A socket object for a descriptor of somebody else. Raises OSError when it is no socket."""
    borrowed = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, 0, fileno=number)
    try:
        yield borrowed
    finally:
        borrowed.detach()
