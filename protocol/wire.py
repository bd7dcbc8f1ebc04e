"""Where a server is on the wire, and the keys that prove who both ends are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .errors import InvalidArgument

if TYPE_CHECKING:
    from .keys import KeyPair

__all__ = ["Address"]


@dataclass(frozen=True)
class Address:
    """Where the server is and the keys that prove who both are."""

    endpoint: str  # tcp://HOST:PORT of the control socket
    server_key: str | None = None  # public; none: not encrypted
    keys: KeyPair | None = field(default=None, repr=False)  # this computer's
    data_endpoint: str | None = None  # through a tunnel; default: the port that the server names

    def __post_init__(self) -> None:
        """Raises InvalidArgument for an endpoint of another form, or half of the keys."""
        try:
            parts = urlsplit(self.endpoint)
            usable = bool(self.endpoint.startswith("tcp://") and parts.hostname and parts.port)
        except ValueError:
            usable = False
        if not usable:
            raise InvalidArgument(
                f"{self.endpoint!r} is not of the form tcp://HOST:PORT.", field="endpoint"
            )
        if (self.server_key is None) != (self.keys is None):
            raise InvalidArgument(
                "Encryption needs both the server's key and a key pair of this computer.",
                field="server_key",
            )

    def data(self, port: int) -> str:
        """Where the data socket connects to."""
        return self.data_endpoint or f"{self.endpoint.rpartition(':')[0]}:{port}"
