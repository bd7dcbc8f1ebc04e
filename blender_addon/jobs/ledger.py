"""The requests under way, on disk: what a crash or a quit must not lose.

    <folder>/<session>/lock          held while that Blender runs
    <folder>/<session>/<key>.json    one request

Several Blenders share the folder. Each does its own requests, and takes over those of sessions
that are gone.
"""

from __future__ import annotations

import json
import sys
import uuid
from typing import TYPE_CHECKING

from .requests import request_from, stored

if TYPE_CHECKING:
    from pathlib import Path
    from typing import IO

    from .requests import Request

__all__ = ["Ledger"]

_LOCK = "lock"


class Ledger:
    """The requests of this session, oldest first. Raises OSError when the disk refuses."""

    def __init__(self, folder: Path) -> None:
        self._own = folder / uuid.uuid4().hex
        self._own.mkdir(parents=True)
        self._lock = _locked(self._own / _LOCK)
        for other in folder.iterdir():
            if other.is_dir() and other != self._own:
                self._take_over(other)

    def requests(self) -> list[Request]:
        """What is under way. An entry that cannot be read is left out: one of another version must
        not stop all."""
        found = []
        for path in sorted(self._own.glob("*.json"), key=lambda path: path.stat().st_mtime):
            try:
                found.append(request_from(json.loads(path.read_text(encoding="utf-8"))))
            except (AttributeError, KeyError, TypeError, ValueError):
                continue
        return found

    def add(self, request: Request) -> None:
        """Remember a request; it is on disk when this returns."""
        path = self._path(request.key)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(stored(request), indent=1), encoding="utf-8")
        part.replace(path)

    def remove(self, key: str) -> None:
        """Forget a request that is over."""
        self._path(key).unlink(missing_ok=True)

    def close(self) -> None:
        """Leave what is under way to the next session."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _path(self, key: str) -> Path:
        return self._own / f"{key}.json"

    def _take_over(self, other: Path) -> None:
        """Move the requests of a session here, if it is gone."""
        lock = _locked(other / _LOCK)
        if lock is None:
            return
        for path in other.glob("*.json"):
            path.replace(self._own / path.name)
        lock.close()
        for path in other.iterdir():
            path.unlink(missing_ok=True)
        other.rmdir()


def _locked(path: Path) -> IO[bytes] | None:
    """A file that only this process holds, until it is closed or the process ends; or None."""
    file = path.open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file
