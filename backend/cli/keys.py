"""keys: make key pairs, and say who may use the server"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backend.cli.link import as_command_errors
from ex4d.cli.console import tell
from ex4d.errors import InputError, OutputError, UsageError
from protocol.keys import (
    authorise,
    client_files,
    fingerprint,
    make_key_pair,
    open_to_all,
    revoke,
    save_key_pair,
)

if TYPE_CHECKING:
    import argparse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    add = parser.add_argument
    actions = ("server", "client", "authorise", "revoke", "list")
    add("action", choices=actions, help="what to do")
    add("--keys", type=Path, required=True, help="folder for the keys; secrets are for you only")
    add("--name", help="authorise, revoke: the client's name")
    add("--public_key", help="authorise, revoke: the client's public key, 40 characters")


def run(arguments: argparse.Namespace) -> int:
    """Make a pair, let a client in or no more, or list who is in."""
    keys: Path = arguments.keys
    with as_command_errors():
        try:
            match arguments.action:
                case "authorise":
                    _authorise(keys, arguments.name, arguments.public_key)
                case "revoke":
                    _revoke(keys, arguments.name, arguments.public_key)
                case "list":
                    _list(keys)
                case name:
                    _make(keys, name)
        except (FileExistsError, FileNotFoundError):
            raise  # as_command_errors has words for them
        except OSError as error:
            raise OutputError(f"{error.filename or keys}: {error.strerror or error}") from None
    return 0


def _authorise(keys: Path, name: str | None, public_key: str | None) -> None:
    if not name or not public_key:
        raise UsageError("authorise needs --name and --public_key")
    path = authorise(keys / "clients", name, public_key)
    tell(f"{name} may connect ({path}); a running server knows it at once")


def _revoke(keys: Path, name: str | None, public_key: str | None) -> None:
    if not name and not public_key:
        raise UsageError("revoke needs --name or --public_key")
    _check_folder(keys)
    for removed in revoke(keys / "clients", name=name, public_key=public_key):
        tell(f"{removed} may connect no more; a running server closes open connections at once")


def _list(keys: Path) -> None:
    _check_folder(keys)
    folder = keys / "clients"
    files = client_files(folder) if folder.exists() else []
    for file in files:
        if file.key:
            tell(f"{file.name}  {file.key}  ({fingerprint(file.key)})")
    for file in files:
        if not file.key:
            tell(f"lets nobody in: {folder / file.file}: {file.problem}")
    for name in open_to_all(keys):
        tell(f"everybody on this computer may write to {keys / name}: run chmod go-w on it")
    if not any(file.key for file in files):
        tell(f"nobody may connect: {folder} holds no client's key")


def _check_folder(keys: Path) -> None:
    """Without this, a folder's name with a typo would look like one in which nobody is."""
    if not keys.is_dir():
        raise InputError(f"there is no folder {keys}")


def _make(keys: Path, name: str) -> None:
    pair = make_key_pair()
    _, secret = save_key_pair(pair, keys, name)
    tell(f"public key {pair.public}  ({fingerprint(pair.public)})")
    tell(f"the secret lies in {secret}; never send it to anybody")
