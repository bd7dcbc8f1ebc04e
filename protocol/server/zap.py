"""Decides which public keys may connect (ZAP, ZeroMQ RFC 27)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import zmq
from zmq.utils import z85

from ..keys import fingerprint
from .rare_log import RareLog

if TYPE_CHECKING:
    from collections.abc import Callable, Container

__all__ = ["ZAP_DOMAIN", "ZapHandler"]

ZAP_DOMAIN = b"ex4d"
_log = logging.getLogger("ex4d.server.keys")


class ZapHandler:
    """Answers libzmq's questions about keys. Poll `socket` and call `handle()` when it is ready.

    `authorised()` is asked at each connection, so a key that was just added works at once (C3);
    None, when it cannot be told now, lets nobody in. Nobody gets in while nobody polls: Routers
    sets ZAP_ENFORCE_DOMAIN (C5). Who was let in and who was not is logged, rarely (C10).
    """

    def __init__(
        self, context: zmq.Context[Any], authorised: Callable[[], Container[str] | None]
    ) -> None:
        self._authorised = authorised
        self._told = RareLog(_log)
        self.refused = 0
        self.socket = context.socket(zmq.REP)
        self.socket.linger = 0
        self.socket.bind("inproc://zeromq.zap.01")

    def handle(self) -> None:
        """Answer one question. The socket must be ready."""
        version, number, *rest = self.socket.recv_multipart()
        key = ""
        allowed = False
        if version == b"1.0" and len(rest) == 5 and rest[0] == ZAP_DOMAIN and rest[3] == b"CURVE":
            key = z85.encode(rest[4]).decode("ascii")
            allowed = self._allows(key, rest[1].decode("ascii", "replace"))
        self.refused += not allowed
        code, text = (b"200", b"OK") if allowed else (b"400", b"not authorised")
        user = key.encode("ascii") if allowed else b""
        self.socket.send_multipart([b"1.0", number, code, text, user, b""])

    def close(self) -> None:
        """Close the socket; from now on nobody gets in."""
        self.socket.close()
        self._told.flush(now=True)

    def _allows(self, key: str, address: str) -> bool:
        clients = self._authorised()
        if clients is None:
            why = "the keys of clients cannot be read"
        elif key not in clients:
            why = "it is not authorised"
        else:
            name = clients.get(key, "") if isinstance(clients, Mapping) else ""
            # Names are the owner's own, and few; keys that are refused are as many as a peer likes.
            kind = f"connections of {name}"
            self._told.info(kind, "%s connects from %s, key %s", name, address, fingerprint(key))
            return True
        text = "refused a connection from %s with the key %s: %s"
        self._told.warning("refused keys", text, address, fingerprint(key), why)
        return False
