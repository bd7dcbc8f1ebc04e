"""CURVE keys: one pair for the server, one for each client; secret files are for the owner only.

A key file holds one line, the key as 40 characters of Z85. `NAME.key` is public,
`NAME.secret` secret. The folder of authorised clients holds one `NAME.key` for each.
"""

from __future__ import annotations

import codecs
import errno
import hashlib
import os
import stat
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zmq
from zmq.utils import z85

from .errors import InvalidArgument

if TYPE_CHECKING:
    from pathlib import Path

__all__ = [
    "ClientFile",
    "KeyPair",
    "authorise",
    "authorised_clients",
    "check_key",
    "client_file",
    "client_files",
    "fingerprint",
    "load_key_pair",
    "make_key_pair",
    "open_to_all",
    "read_public_key",
    "revoke",
    "save_key_pair",
]

_Z85 = frozenset(z85.Z85CHARS.decode("ascii"))
_SUFFIX = ".key"
_NAMES_TOLD = 20
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_OF_THE_FILE = {errno.EACCES, errno.EPERM, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.ENOTDIR}


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
    _make_folder(folder)
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


def read_public_key(path: Path, *, name: str = "key") -> str:
    """The public key in a file. Raises InvalidArgument when it is none, OSError."""
    return check_key(_read(path), name=name)


def load_key_pair(folder: Path, name: str) -> KeyPair:
    """Read NAME.key and NAME.secret. Raises FileNotFoundError, and InvalidArgument when they are
    no keys, do not belong together, or others may read the secret one."""
    public = check_key(_read(folder / f"{name}.key"), name=f"{name}.key")
    secret = check_key(_read(folder / f"{name}.secret", secret=True), name=f"{name}.secret")
    if zmq.curve_public(secret.encode("ascii")).decode("ascii") != public:
        raise InvalidArgument(f"{name}.key and {name}.secret do not belong together.", field=name)
    return KeyPair(public, secret)


@dataclass(frozen=True)
class ClientFile:
    """One file of the folder of authorised clients. `key` lets in its client as `name`; it is
    empty when the file lets nobody in, and `problem` says why."""

    file: str
    key: str
    problem: str = ""

    @property
    def name(self) -> str:
        """What the client is called."""
        return self.file.removesuffix(_SUFFIX)


def authorise(folder: Path, name: str, public_key: str) -> Path:
    """Let a client in: write NAME.key to the folder of authorised clients; return its path.

    Raises InvalidArgument for what is no key or has another name already, FileExistsError when
    the name is taken.
    """
    _check_name(name)
    key = check_key(public_key, name="public key")
    if known := authorised_clients(folder).get(key):
        # Two names for one key: whoever revokes one would believe that the client is out.
        raise InvalidArgument(f"This key is authorised already, as {known!r}.", field="public_key")
    _make_folder(folder)
    path = folder / f"{name}{_SUFFIX}"
    _write_new(path, key, 0o644)
    return path


def revoke(folder: Path, *, name: str | None = None, public_key: str | None = None) -> list[str]:
    """Let a client in no more: remove every file that holds its key; return their names.

    A file that holds no key is removed by its name. Raises InvalidArgument when nobody is called
    so, nobody has that key, or name and key are not of one client.
    """
    key = None if public_key is None else check_key(public_key, name="public key")
    files = [file for file in _listed(folder) if file.file.endswith(_SUFFIX)]
    meant = {file for file in files if name in (None, file.name) and key in (None, file.key)}
    if not meant:
        who = ([f"called {name[:100]!r}"] if name is not None else []) + ["with this key"] * bool(
            key
        )
        known = ", ".join(repr(file.name) for file in files[:_NAMES_TOLD]) or "nobody"
        more = f" and {len(files) - _NAMES_TOLD} more" if len(files) > _NAMES_TOLD else ""
        text = f"There is no client {' and '.join(who)}; authorised are {known}{more}."
        raise InvalidArgument(text, field="name")
    keys = {file.key for file in meant if file.key}
    removed = [file for file in files if file in meant or file.key in keys]
    for file in removed:
        (folder / file.file).unlink(missing_ok=True)
    return [file.name for file in removed]


def authorised_clients(folder: Path) -> dict[str, str]:
    """Public key -> name of every client that may connect. A file that is no key is left out, and
    a folder that does not exist lets nobody in. Raises OSError when it cannot be read."""
    files = _listed(folder)
    return {file.key: file.name for file in reversed(files) if file.key}  # the first name counts


def client_files(folder: Path) -> list[ClientFile]:
    """Everything in the folder of authorised clients, by name, also what lets nobody in. Raises
    FileNotFoundError when there is no such folder, OSError when it cannot be read."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    return [file for file in (client_file(folder / name) for name in names) if file is not None]


def client_file(path: Path) -> ClientFile | None:
    """One file of that folder; None when it is not there any more. Raises OSError for what says
    nothing of the file: too many open files, a disk that fails."""
    if not path.name.endswith(_SUFFIX):
        return ClientFile(path.name, "", "Its name does not end with .key.")
    try:
        return ClientFile(path.name, check_key(_read(path), name="text in it"))
    except InvalidArgument as error:
        return ClientFile(path.name, "", error.text)
    except FileNotFoundError:
        return ClientFile(path.name, "", "It leads nowhere.") if path.is_symlink() else None
    except OSError as error:
        if error.errno not in _OF_THE_FILE:
            raise
        return ClientFile(path.name, "", f"It cannot be read: {error.strerror}.")


def open_to_all(keys: Path) -> list[str]:
    """What everybody on this computer may write to in a folder of keys, and so let himself in:
    names, `.` for the folder itself. Always empty on Windows, where modes say nothing."""
    found = []
    if os.name == "posix":
        for path in [keys, *sorted(keys.glob("*.key")), keys / "clients", *keys.glob("clients/*")]:
            try:
                mode = path.stat().st_mode
            except OSError:
                continue
            if mode & stat.S_IWOTH:
                found.append(path.relative_to(keys).as_posix())
    return found


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


def _listed(folder: Path) -> list[ClientFile]:
    try:
        return client_files(folder)
    except FileNotFoundError:
        return []


def _make_folder(folder: Path) -> None:
    """Make a folder and what lacks above it, for the owner only: mkdir(parents=True) would leave
    it to the umask who may write to those above."""
    for path in [*reversed(folder.parents), folder]:
        path.mkdir(exist_ok=True, mode=0o700)


def _read(path: Path, *, secret: bool = False) -> str:
    """The beginning of a file. Raises InvalidArgument for what is no file (a pipe would hold up
    its reader for ever), and for a secret that others may read."""
    fd = os.open(path, os.O_RDONLY | _NO_WAIT)
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            raise InvalidArgument(f"{path} is no file.", field=path.name)
        # Windows: its modes say nothing of who may read; the owner's profile folder is his alone.
        if secret and os.name == "posix" and mode & 0o077:
            raise InvalidArgument(
                f"{path} is a secret that others may read or write (mode "
                f"{stat.S_IMODE(mode):04o}): run chmod 600 on it, or make new keys if somebody "
                f"may have read it.",
                field=path.name,
            )
        data = os.read(fd, 1000)
        # Windows' editors put a mark before the text, and its shell writes UTF-16
        is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return data.decode("utf-16" if is_utf16 else "utf-8-sig", "replace")
    finally:
        os.close(fd)


def _write_new(path: Path, text: str, mode: int) -> None:
    """Create a file with its final mode at once: no moment in which others can read it."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(fd, "w", encoding="ascii", newline="\n") as file:
        file.write(text + "\n")
