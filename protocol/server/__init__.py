"""What a server needs to speak the protocol: its sockets, its sessions, its side of transfers."""

from __future__ import annotations

from .authorised import AuthorisedClients
from .blob_store import BlobStore
from .blob_transfers import BlobTransfers
from .disk_thread import DiskThread
from .rare_log import RareLog
from .routers import Routers, check_bind
from .server_sockets import ServerSockets
from .sessions import Session, Sessions
from .socket_settings import SocketSettings
from .zap import ZapHandler

__all__ = [
    "AuthorisedClients",
    "BlobStore",
    "BlobTransfers",
    "DiskThread",
    "RareLog",
    "Routers",
    "ServerSockets",
    "Session",
    "Sessions",
    "SocketSettings",
    "ZapHandler",
    "check_bind",
]
