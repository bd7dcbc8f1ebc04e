"""From the preferences to the server's address, and whether Blender lets us go there."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ...protocol.errors import InvalidArgument
from ...protocol.hosts import is_loopback_host
from ...protocol.keys import check_key, load_key_pair, make_key_pair, save_key_pair
from ...protocol.limits import DEFAULT_PORT
from ...protocol.wire import Address
from ..errors import SettingsError
from ..words import sentence_of

if TYPE_CHECKING:
    from pathlib import Path

    from ...protocol.keys import KeyPair

__all__ = ["DEFAULT_ENDPOINT", "address_of", "is_loopback", "own_keys", "why_offline"]

DEFAULT_ENDPOINT = f"tcp://127.0.0.1:{DEFAULT_PORT}"
_NAME = "client"


def is_loopback(endpoint: str) -> bool:
    """Whether an endpoint is on this computer: a local server, or the end of a tunnel."""
    try:
        host = urlsplit(endpoint).hostname or ""
    except ValueError:
        return False
    return is_loopback_host(host)


def why_offline(endpoint: str, *, online_access: bool) -> str:
    """Why no connection may be opened, as a sentence; empty when one may."""
    if online_access or is_loopback(endpoint):
        return ""
    return "Blender is offline: allow Online Access in Preferences > System."


def own_keys(folder: Path) -> KeyPair:
    """This computer's key pair, made when there is none yet. Raises SettingsError."""
    try:
        if not (folder / f"{_NAME}.key").exists():
            save_key_pair(make_key_pair(), folder, _NAME)
        return load_key_pair(folder, _NAME)
    except (InvalidArgument, OSError) as error:
        raise SettingsError(f"This computer's key cannot be read: {sentence_of(error)}") from error


def address_of(endpoint: str, server_key: str, keys: Path) -> Address:
    """The address that the settings describe. Raises SettingsError, naming the setting."""
    endpoint, server_key = endpoint.strip(), server_key.strip()
    try:
        if not server_key:
            address = Address(endpoint)
            if not is_loopback(endpoint):
                raise SettingsError(
                    "The server's key is missing: a server on another computer needs one. Ask "
                    "its administrator for it."
                )
            return address
        key = check_key(server_key, name="server's key")
        return Address(endpoint, key, own_keys(keys))
    except InvalidArgument as error:
        raise SettingsError(error.text) from error
