"""Files to chunks and back, without sockets; the same code on both sides."""

from __future__ import annotations

from .hashing import blob_of
from .plan import FetchPlan
from .receiver import FULL, Receiver, sync_folder, verified_bytes
from .sender import Sender, read_chunk
from .window import Window

__all__ = [
    "FULL",
    "FetchPlan",
    "Receiver",
    "Sender",
    "Window",
    "blob_of",
    "read_chunk",
    "sync_folder",
    "verified_bytes",
]
