"""What the sockets of a server are set to, and what it says of itself in `welcome`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec import structs

from ..limits import PONG_S
from ..messages import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from ..keys import KeyPair
    from ..messages import EngineInfo, EstimatorInfo

__all__ = ["MOST_SESSIONS", "SocketSettings"]

MOST_SESSIONS = 4096  # of all clients


@dataclass(frozen=True)
class SocketSettings:
    """Where a server listens, whom it lets in, and what it says of itself."""

    bind: str  # tcp://HOST:PORT; port 0: any
    server_name: str
    server_version: str
    capabilities: Sequence[str]
    engines: Sequence[EngineInfo] = ()
    estimators: Sequence[EstimatorInfo] = ()
    extra: Mapping[str, str] = field(default_factory=dict)  # of `welcome`; names in SPEC.md
    keys: KeyPair | None = None  # none: not encrypted, loopback only
    # None: it cannot be told now; nobody new gets in, and who is in stays
    authorised: Callable[[], Container[str] | None] = field(default=lambda: frozenset())
    data_port: int | None = None  # default: the port after control's
    limits: Limits = field(default_factory=Limits)
    pong_s: float = PONG_S  # how often it tells its clients that it is there, and who is gone

    def __post_init__(self) -> None:
        """Without keys all clients are one, and only the limit in all holds."""
        if self.keys is None:
            limits = structs.replace(self.limits, connections=MOST_SESSIONS)
            object.__setattr__(self, "limits", limits)
