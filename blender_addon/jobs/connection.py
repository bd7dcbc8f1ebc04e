"""The connection to the server as the artist sees it: a state and a sentence."""

from __future__ import annotations

import queue
from enum import Enum
from typing import TYPE_CHECKING

from ...protocol.background import BackgroundClient
from ...protocol.client.news import Connected, Disconnected

if TYPE_CHECKING:
    from ...protocol.client.news import News
    from ...protocol.messages import EngineInfo, Welcome
    from ...protocol.wire import Address

__all__ = ["Connection", "LinkState"]

_REMEDIES = {
    "not_authorised": "Press Copy Public Key in the add-on's preferences, and give the key to the "
    "server's administrator.",
    "wrong_server_key": "Ask its administrator for the key, or whether this is the right server.",
}


class LinkState(Enum):
    """Where the connection is."""

    OFF = "off"  # nobody asked for one
    CONNECTING = "connecting"
    CONNECTED = "connected"
    LOST = "lost"  # tried again by itself
    REFUSED = "refused"  # until the settings are mended


class Connection:
    """Owns the network thread. All methods belong to the main thread and never wait, but `close`,
    which waits at most a second."""

    def __init__(self, *, version: str) -> None:
        self.state = LinkState.OFF
        self.welcome: Welcome | None = None
        self.client: BackgroundClient | None = None
        self._version = version
        self._address: Address | None = None
        self._error, self._code = "", ""

    @property
    def text(self) -> str:
        """The state in words."""
        if self.state is LinkState.CONNECTED and self.welcome is not None:
            return f"Connected to {self.welcome.server_name} {self.welcome.server_version}"
        if self.state is LinkState.LOST:
            return f"{self._error} Trying again."
        if self.state is LinkState.REFUSED:
            return f"{self._error} {_REMEDIES.get(self._code, '')}".strip()
        return "Connecting ..." if self.state is LinkState.CONNECTING else "Not connected"

    @property
    def engines(self) -> dict[str, EngineInfo]:
        """The engines that the server told of, by name."""
        return {engine.name: engine for engine in self.welcome.engines} if self.welcome else {}

    @property
    def has_steps_lora(self) -> bool:
        """Whether the server told of a step-distilled LoRA; see `welcome` in SPEC.md."""
        return self.welcome is not None and "steps_lora" in self.welcome.extra

    def open(self, address: Address) -> bool:
        """Connect, or try again now; with another address than before, in place of the old
        connection. Whether there is a new client, whose predecessor's commands are void."""
        if self.client is not None and address == self._address:
            if self.state is not LinkState.CONNECTED:
                self.state = LinkState.CONNECTING
                self.client.reconnect()
            return False
        self.close()
        self._address = address
        self.client = BackgroundClient(address, name="Blender", version=self._version)
        self.state = LinkState.CONNECTING
        self.client.start()
        return True

    def close(self) -> None:
        """End the network thread; what it had not sent is not sent."""
        client, self.client = self.client, None
        if client is not None:
            client.stop(timeout_s=1.0)
        self.state, self.welcome, self._address = LinkState.OFF, None, None

    def next_news(self) -> News | None:
        """The next piece of news, already taken in where it is about the connection itself."""
        if self.client is None:
            return None
        try:
            news = self.client.news.get_nowait()
        except queue.Empty:
            return None
        if isinstance(news, Connected):
            self.state, self.welcome = LinkState.CONNECTED, news.welcome
        elif isinstance(news, Disconnected):
            self.state = LinkState.REFUSED if news.retry_s is None else LinkState.LOST
            self._error, self._code = news.error.text, news.error.code
        return news
