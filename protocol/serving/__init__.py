"""What a server needs to speak the protocol: its sockets, its sessions, its side of transfers."""

from __future__ import annotations

from .authorised import AuthorisedClients
from .blob_desk import BlobDesk
from .blob_store import BlobStore
from .disk_thread import DiskThread
from .front import Front
from .front_settings import FrontSettings
from .rare_log import RareLog
from .routers import Routers, check_bind
from .sessions import Session, Sessions
from .zap import ZapHandler

__all__ = [
    "AuthorisedClients",
    "BlobDesk",
    "BlobStore",
    "DiskThread",
    "Front",
    "FrontSettings",
    "RareLog",
    "Routers",
    "Session",
    "Sessions",
    "ZapHandler",
    "check_bind",
]
