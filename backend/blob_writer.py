"""A file of this process on its way into the blob store."""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from backend.disk import as_disk_full, disk_full
from backend.staging import TEMPORARY
from protocol.jobs import BlobId

if TYPE_CHECKING:
    from types import TracebackType

    from backend.blobs import BlobStore

__all__ = ["BlobWriter"]


class BlobWriter:
    """Hashes a blob while it is written; leaving the block without `commit` removes it."""

    def __init__(self, store: BlobStore, size_bytes: int) -> None:
        self._store = store
        self._most_bytes = size_bytes
        self._digest = hashlib.sha256()
        self._size = 0
        self._path = store.staging / f"{os.urandom(8).hex()}{TEMPORARY}"
        store.reserve(self._path.name, size_bytes)
        self._file = self._path.open("xb")
        try:
            with as_disk_full(store.staging, size_bytes):
                store.allocate_file(self._file.fileno(), size_bytes)
        except BaseException:
            self._abort()
            raise

    def __enter__(self) -> BlobWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._abort()

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes. Raises DiskFull, also when there are more than were announced."""
        self._size += len(data)
        if self._size > self._most_bytes:
            raise disk_full(self._size, self._most_bytes, "more than was announced")
        self._digest.update(data)
        with as_disk_full(self._store.staging, self._most_bytes):
            self._file.write(data)

    def commit(self) -> BlobId:
        """Put the blob in its place, safe on disk, and return its name. Raises DiskFull."""
        with as_disk_full(self._store.staging, self._most_bytes):
            self._file.truncate(self._size)
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()
        blob = self._store.adopt(self._path, BlobId(self._digest.hexdigest(), self._size))
        self._store.release(self._path.name)
        return blob

    def _abort(self) -> None:
        with suppress(OSError):  # what could not be written before cannot be flushed now
            self._file.close()
        self._path.unlink(missing_ok=True)
        self._store.release(self._path.name)
