"""The list of requests under way, on disk: what a crash or a quit must not lose."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .requests import request_from, stored

if TYPE_CHECKING:
    from pathlib import Path

    from .requests import Request

__all__ = ["Ledger"]


class Ledger:
    """A JSON file with the requests that are not over, oldest first."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._requests = {request.key: request for request in self._read()}

    def requests(self) -> list[Request]:
        """What is under way."""
        return list(self._requests.values())

    def add(self, request: Request) -> None:
        """Remember a request; it is on disk when this returns. Raises OSError."""
        self._requests[request.key] = request
        self._write()

    def remove(self, key: str) -> None:
        """Forget a request that is over."""
        if self._requests.pop(key, None) is not None:
            self._write()

    def _read(self) -> list[Request]:
        """An entry that cannot be read is left out: one of another version must not stop all."""
        try:
            entries = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return []
        found = []
        for entry in entries if isinstance(entries, list) else []:
            try:
                found.append(request_from(entry))
            except (AttributeError, KeyError, TypeError, ValueError):
                continue
        return found

    def _write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_name(self._path.name + ".part")
        text = json.dumps([stored(request) for request in self._requests.values()], indent=1)
        part.write_text(text, encoding="utf-8")
        part.replace(self._path)
