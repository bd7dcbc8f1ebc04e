"""A job's results, from the scratch folder of its worker to the blob store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend.journal.journal import Change
from protocol.errors import DiskFull, ProtocolError

if TYPE_CHECKING:
    from pathlib import Path

    from backend.store.blobs import BlobStore
    from protocol.messages.jobs import BlobId

__all__ = ["adopt_results"]


def adopt_results(blobs: BlobStore, scratch: Path, results: dict[str, BlobId]) -> Change:
    """Move all results into the store, or none; return what the journal shall say.

    The worker has hashed them and synced them to disk. What cannot become right by waiting
    becomes the job's error: no room, a result that was never written. Raises OSError for the
    rest (no descriptor is free, the disk does not answer): what was moved stays, and the next
    call goes on from there.
    """
    absent = {blob for blob in results.values() if not blobs.has(blob)}
    try:
        blobs.reserve(scratch.name, sum(blob.size for blob in absent), is_written=True)
        for name, blob in results.items():
            path = scratch / name
            if path.exists() or not blobs.is_whole(blob):  # else an earlier call has moved it
                blobs.adopt(path, blob)
    except (ProtocolError, FileNotFoundError) as error:
        blobs.pins.unpin(scratch.name)
        for blob in absent:
            blobs.discard(blob)
        if isinstance(error, DiskFull):
            return Change(error.code, f"the results cannot be stored: {error.text}")
        return Change("internal_error", "the results cannot be stored: one was never written")
    finally:
        blobs.release(scratch.name)
    return Change(results=results)
