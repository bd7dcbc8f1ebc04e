"""Doubles for tests of both sides: a clock, a server, a bad link, bad peers."""

from __future__ import annotations

from .clock import FakeClock
from .peers import RawPeer, raw_tcp
from .proxy import Proxy
from .server import FakeServer
from .store import FolderStore

__all__ = ["FakeClock", "FakeServer", "FolderStore", "Proxy", "RawPeer", "raw_tcp"]
