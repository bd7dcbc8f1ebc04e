"""Whether stored files are still what they were, and where damaged ones are kept."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["BlobHealth"]

_CHECKED_FOR_S = 86_400.0  # then a disk may have lost a bit again
_KEPT_FILES = 16
_KEPT_BYTES = 4 << 30


class _Check(NamedTuple):
    at_s: float
    signature: tuple[int, int, int]


class BlobHealth:
    """Remembers which files were hashed and found right since the start. Reads no file itself."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = folder  # of damaged files
        self._clock = clock
        self._checks: dict[str, _Check] = {}

    def is_doubtful(self, sha256: str, path: Path) -> bool:
        """Whether a file must be hashed before it is used: that was never done by this server, or
        long ago, or the file was written since."""
        check = self._checks.get(sha256)
        if check is None or self._clock() - check.at_s > _CHECKED_FOR_S:
            return True
        return check.signature != _signature(path)

    def note_good(self, sha256: str, path: Path) -> None:
        """Note that a file was hashed and is right."""
        signature = _signature(path)
        if signature is not None:
            self._checks[sha256] = _Check(self._clock(), signature)

    def forget(self, sha256: str) -> None:
        """Forget a file that is gone."""
        self._checks.pop(sha256, None)

    def set_aside(self, sha256: str, path: Path) -> Path | None:
        """Move a damaged file out of the store, for the operator to look at; return where it is.

        None when it is gone, or so large that it was removed. The oldest ones make room.
        """
        self.forget(sha256)
        with suppress(FileNotFoundError):
            if path.stat().st_size > _KEPT_BYTES:
                path.unlink()
                return None
            self.folder.mkdir(exist_ok=True, mode=0o700)
            number = 1
            while (kept := self.folder / f"{sha256}.{number}").exists():
                number += 1
            os.replace(path, kept)
            os.utime(kept)
            self._keep_bounded()
            return kept
        return None

    def _keep_bounded(self) -> None:
        found = [
            (path.stat().st_mtime, path.stat().st_size, path) for path in self.folder.iterdir()
        ]
        found.sort(reverse=True)
        total = 0
        for number, (_, size, path) in enumerate(found):
            total += size
            if number >= _KEPT_FILES or total > _KEPT_BYTES:
                path.unlink(missing_ok=True)


def _signature(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file is written."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
