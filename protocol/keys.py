"""CURVE keys: one pair for the server, one for each client; secret files are for the owner only.

A key file holds one line, the key as 40 characters of Z85. `NAME.key` is public,
`NAME.secret` secret. The folder of authorised clients holds one `NAME.key` for each.
"""

from __future__ import annotations

import hashlib
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zmq
from zmq.utils import z85

from .errors import InvalidArgument

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "KeyPair",
    "authorise",
    "authorised_clients",
    "check_key",
    "fingerprint",
    "load_key_pair",
    "make_key_pair",
    "save_key_pair",
]

_Z85 = frozenset(z85.Z85CHARS.decode("ascii"))


@dataclass(frozen=True)
class KeyPair:
    """A public key and its secret, as Z85 text. The secret is never part of the repr."""

    public: str
    secret: str

    def __repr__(self) -> str:
        return f"KeyPair(public={self.public!r})"


def make_key_pair() -> KeyPair:
    """A new pair from the system's randomness, whose public key no command line takes for a flag:
    it does not begin with a dash."""
    while True:
        public, secret = zmq.curve_keypair()
        if not public.startswith(b"-"):
            return KeyPair(public.decode("ascii"), secret.decode("ascii"))


def check_key(text: str, *, name: str = "key") -> str:
    """The key without the white space around it. Raises InvalidArgument when it is none."""
    key = text.strip()
    if len(key) != 40:
        raise InvalidArgument(
            f"The {name} has {len(key)} characters; a key has 40.", field=name, given=len(key)
        )
    if wrong := sorted(set(key) - _Z85):
        raise InvalidArgument(
            f"The {name} has the character {wrong[0]!r}, which no key has.", field=name
        )
    try:
        z85.decode(key)
    except (ValueError, struct.error) as error:
        raise InvalidArgument(f"The {name} is not a key: {error}", field=name) from None
    return key


def save_key_pair(pair: KeyPair, folder: Path, name: str) -> tuple[Path, Path]:
    """Write NAME.key and NAME.secret (mode 0600); return the two paths.

    Raises FileExistsError rather than overwrite a key.
    """
    _check_name(name)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    public, secret = folder / f"{name}.key", folder / f"{name}.secret"
    if public.exists():
        raise FileExistsError(f"{public} exists; keys are never overwritten")
    _write_new(secret, pair.secret, 0o600)
    try:
        _write_new(public, pair.public, 0o644)
    except OSError:
        secret.unlink()
        raise
    return public, secret


def load_key_pair(folder: Path, name: str) -> KeyPair:
    """Read NAME.key and NAME.secret. Raises FileNotFoundError, and InvalidArgument when they are
    no keys or do not belong together."""
    public, secret = (
        check_key(_read(folder / f"{name}.{suffix}"), name=f"{name}.{suffix}")
        for suffix in ("key", "secret")
    )
    if zmq.curve_public(secret.encode("ascii")).decode("ascii") != public:
        raise InvalidArgument(f"{name}.key and {name}.secret do not belong together.", field=name)
    return KeyPair(public, secret)


def authorise(folder: Path, name: str, public_key: str) -> Path:
    """Let a client in: write NAME.key to the folder of authorised clients; return its path.

    Raises InvalidArgument for what is no key, FileExistsError when the name is taken.
    """
    _check_name(name)
    key = check_key(public_key, name="public key")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / f"{name}.key"
    _write_new(path, key, 0o644)
    return path


def authorised_clients(folder: Path) -> dict[str, str]:
    """Public key -> name of every client that may connect. A file that is no key is left out."""
    clients = {}
    for path in sorted(folder.glob("*.key")):
        try:
            clients[check_key(_read(path))] = path.stem
        except (InvalidArgument, OSError):
            continue  # one bad file must not lock out, or let in, anybody else
    return clients


def fingerprint(public_key: str) -> str:
    """Short text by which two people compare a key over the telephone: `a1b2 c3d4 e5f6 0718`."""
    digest = hashlib.sha256(check_key(public_key).encode("ascii")).hexdigest()[:16]
    return " ".join(digest[i : i + 4] for i in range(0, 16, 4))


def _check_name(name: str) -> None:
    """Names become file names: letters, digits, dash, underscore, and dots inside."""
    plain = name.replace("-", "").replace("_", "").replace(".", "")
    if not plain.isascii() or not plain.isalnum() or name.startswith(".") or len(name) > 100:
        raise InvalidArgument(
            f"{name[:100]!r} cannot name a key: use letters, digits, - and _.", field="name"
        )


def _read(path: Path) -> str:
    with open(path, encoding="ascii", errors="replace") as file:
        return file.read(1000)


def _write_new(path: Path, text: str, mode: int) -> None:
    """Create a file with its final mode at once: no moment in which others can read it."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(fd, "w", encoding="ascii", newline="\n") as file:
        file.write(text + "\n")
