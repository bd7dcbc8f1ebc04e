"""keys: make key pairs, and say who may use the server"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from backend.cli.link import as_command_errors
from ex4d.errors import UsageError
from protocol.keys import authorise, authorised_clients, fingerprint, make_key_pair, save_key_pair

if TYPE_CHECKING:
    import argparse

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    add = parser.add_argument
    add("action", choices=("server", "client", "authorise", "list"), help="what to do")
    add("--keys", type=Path, required=True, help="folder for the keys; secrets are for you only")
    add("--name", help="authorise: a name for the client")
    add("--public_key", help="authorise: the client's public key, 40 characters")


def run(arguments: argparse.Namespace) -> int:
    """Make a pair, let a client in, or list who is in."""
    with as_command_errors():
        if arguments.action == "authorise":
            if not arguments.name or not arguments.public_key:
                raise UsageError("authorise needs --name and --public_key")
            path = authorise(arguments.keys / "clients", arguments.name, arguments.public_key)
            print(f"{arguments.name} may connect ({path}); a running server knows it at once")
        elif arguments.action == "list":
            for key, name in authorised_clients(arguments.keys / "clients").items():
                print(f"{name}  {key}  ({fingerprint(key)})")
        else:
            pair = make_key_pair()
            _, secret = save_key_pair(pair, arguments.keys, arguments.action)
            print(f"public key {pair.public}  ({fingerprint(pair.public)})")
            print(f"the secret lies in {secret}; never send it to anybody")
    return 0
