"""A job's results, from the scratch folder of its worker to the blob store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from backend.journal import Change
from protocol.errors import DiskFull, ProtocolError

if TYPE_CHECKING:
    from pathlib import Path

    from backend.blobs import BlobStore
    from protocol.jobs import BlobId

__all__ = ["adopt_results"]


def adopt_results(blobs: BlobStore, scratch: Path, results: dict[str, BlobId]) -> Change:
    """Move all results into the store, or none; return what the journal shall say.

    The worker has hashed them and synced them to disk. What goes wrong becomes the job's error.
    """
    new = {blob for blob in results.values() if not blobs.has(blob)}
    try:
        blobs.reserve(scratch.name, sum(blob.size for blob in new), is_written=True)
        for name, blob in results.items():
            blobs.adopt(scratch / name, blob)
    except (ProtocolError, OSError) as error:
        for blob in new:
            blobs.discard(blob)
        code = error.code if isinstance(error, DiskFull) else "internal_error"
        return Change(code, f"the results cannot be stored: {error}")
    finally:
        blobs.release(scratch.name)
    return Change(results=results)
