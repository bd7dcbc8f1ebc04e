"""What a job reads, and how much it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from protocol.errors import InvalidArgument, UnknownBlob
from protocol.messages.jobs import DepthFiles, Generate, Reconstruct, Shot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backend.journal.holdings import Holdings
    from backend.store.blobs import BlobStore
    from protocol.messages.jobs import BlobId, Job

__all__ = ["check_held", "check_size", "inputs_of"]


def inputs_of(job: Job) -> tuple[BlobId, ...]:
    """The blobs that a job reads, each once."""
    if isinstance(job, Generate):
        given = (job.color, job.mask, job.backdrop)
        return tuple(dict.fromkeys(blob for blob in given if blob is not None))
    depth = job.source.depth
    files = depth.blobs if isinstance(depth, DepthFiles) else ()
    pictures = job.source.pictures.blobs if job.source.pictures is not None else ()
    return tuple(dict.fromkeys((job.source.clip, *pictures, *files)))


def check_held(inputs: Sequence[BlobId], owner: str, blobs: BlobStore, holdings: Holdings) -> None:
    """Raise UnknownBlob for a file that is not here, or that only others have sent."""
    lacking = [blob for blob in inputs if not blobs.has(blob)]
    lacking = lacking or holdings.strange(owner, inputs)
    # H7: the disk is asked last; a job may name thousands of files.
    for blob in lacking or (blob for blob in inputs if not blobs.is_whole(blob)):
        raise UnknownBlob(f"there is no blob {blob.sha256}", sha256=blob.sha256)


def check_size(job: Job, most_pixels: int) -> None:
    """Raise InvalidArgument for a job that makes more pixels than a server allows: width x height
    x frames of its output, of its source, or of what its engine works at."""
    sizes: list[tuple[str, int | None, int | None, int]] = []
    n_frames = 1
    if not isinstance(job, Generate):
        source = job.source
        sizes.append(("source", source.width, source.height, source.num_frames))
    if not isinstance(job, Generate | Reconstruct):
        path = job.trajectory
        n_frames = path.n_frames
        sizes.append(("trajectory", path.width, path.height, n_frames))
    if isinstance(job, Generate | Shot) and job.settings is not None:
        sizes.append(("settings", job.settings.width, job.settings.height, n_frames))
    for field, width, height, frames in sizes:
        # With one side given, the other is at least the smallest one.
        pixels = (width or 16) * (height or 16) * frames
        if pixels > most_pixels:
            raise InvalidArgument(
                f"{field}: {width} x {height} x {frames} frames are {pixels} pixels; this server "
                f"makes {most_pixels} in one job",
                field=field,
                pixels=pixels,
                limit=most_pixels,
            )
