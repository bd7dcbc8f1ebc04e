"""The clients that may connect, as the folder of their keys is at this moment."""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from ..keys import client_file, open_to_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ..keys import ClientFile

__all__ = ["AuthorisedClients"]

_log = logging.getLogger("ex4d.server.keys")
_SETTLED_NS = 2_000_000_000  # the coarsest clock of a file system: FAT's
_UNSEEN = (None, False, None)


class _Seen(NamedTuple):
    """A file as it was read. One that was `settled` then cannot have changed without its stamp."""

    stamp: tuple[int, ...]
    settled: bool
    file: ClientFile


class AuthorisedClients:
    """Call it for public key -> name of every client that may connect.

    It is asked at each handshake and by each sweep, so a file is read again only when it may have
    changed. None: the folder cannot be read now (C3, H10); then nobody new may come in, and who
    is in stays. What lets nobody in though it lies in the folder is logged once.
    """

    def __init__(self, folder: Path, *, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._folder = folder
        self._clock_ns = clock_ns
        self._seen: dict[str, _Seen] = {}
        self._clients: dict[str, str] = {}
        self._problem = ""
        if names := open_to_all(folder.parent):
            _log.warning("everybody on this computer may write to keys: %s", ", ".join(names))

    def __call__(self) -> Mapping[str, str] | None:
        """Look at the folder. Never raises OSError."""
        try:
            self._look()
        except OSError as error:
            self._tell(f"the keys of clients cannot be read: {error.strerror or error}")
            return None
        self._tell("")
        return self._clients

    def _look(self) -> None:
        now_ns = self._clock_ns()
        seen = {}
        for name, stamp in self._stamps().items():
            known = self._seen.get(name)
            if known is None or known.stamp != stamp or not known.settled:
                file = client_file(self._folder / name)
                if file is None:
                    continue
                known = _Seen(stamp, max(stamp[:2]) < now_ns - _SETTLED_NS, file)
            seen[name] = known
        if seen != self._seen:
            self._take(seen)

    def _stamps(self) -> dict[str, tuple[int, ...]]:
        stamps: dict[str, tuple[int, ...]] = {}
        try:
            with os.scandir(self._folder) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):  # removed just now
                        stamps[entry.name] = _stamp_of(entry)
        except FileNotFoundError:
            self._folder.parent.stat()  # is it only this folder that nobody has made yet?
        return stamps

    def _take(self, seen: dict[str, _Seen]) -> None:
        clients: dict[str, str] = {}
        for name in sorted(seen):
            _, settled, file = seen[name]
            if file.key:
                clients.setdefault(file.key, file.name)
            elif settled and self._seen.get(name, _UNSEEN)[1:] != (True, file):
                _log.warning("%s lets nobody in: %s", name, file.problem)
        self._seen, self._clients = seen, clients

    def _tell(self, problem: str) -> None:
        if problem and problem != self._problem:
            _log.warning("%s; nobody new gets in", problem)
        elif self._problem and not problem:
            _log.info("the keys of clients can be read again")
        self._problem = problem


def _stamp_of(entry: os.DirEntry[str]) -> tuple[int, ...]:
    """What changes with a file; the times come first."""
    try:
        of = entry.stat()
    except OSError:  # a link to nowhere, to itself, or to where we may not look
        of = entry.stat(follow_symlinks=False)
    times = of.st_mtime_ns, of.st_ctime_ns
    return *times, of.st_dev, of.st_ino, of.st_size, of.st_mode
