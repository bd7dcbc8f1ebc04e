"""Decides which public keys may connect (ZAP, ZeroMQ RFC 27)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zmq
from zmq.utils import z85

if TYPE_CHECKING:
    from collections.abc import Callable, Container

__all__ = ["ZAP_DOMAIN", "ZapHandler"]

ZAP_DOMAIN = b"ex4d"


class ZapHandler:
    """Answers libzmq's questions about keys. Poll `socket` and call `handle()` when it is ready.

    `authorised()` is asked at each connection, so a key that was just added works at once (C3).
    Nobody gets in while nobody polls: Routers sets ZAP_ENFORCE_DOMAIN (C5).
    """

    def __init__(self, context: zmq.Context[Any], authorised: Callable[[], Container[str]]) -> None:
        self._authorised = authorised
        self.refused = 0
        self.socket = context.socket(zmq.REP)
        self.socket.linger = 0
        self.socket.bind("inproc://zeromq.zap.01")

    def handle(self) -> None:
        """Answer one question. The socket must be ready."""
        version, number, *rest = self.socket.recv_multipart()
        key = b""
        allowed = False
        if version == b"1.0" and len(rest) == 5 and rest[0] == ZAP_DOMAIN and rest[3] == b"CURVE":
            key = z85.encode(rest[4])
            allowed = key.decode("ascii") in self._authorised()
        self.refused += not allowed
        code, text = (b"200", b"OK") if allowed else (b"400", b"not authorised")
        self.socket.send_multipart([b"1.0", number, code, text, key if allowed else b"", b""])

    def close(self) -> None:
        """Close the socket; from now on nobody gets in."""
        self.socket.close()
