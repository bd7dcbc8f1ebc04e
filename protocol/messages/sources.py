"""What a job is made of: a clip, which frames of it, its depth and its lens."""

# No `from __future__ import annotations` here: msgspec reads the annotations.
from typing import Annotated, Literal

from msgspec import Meta, Struct

from ..limits import NARROWEST_FOV_DEG, WIDEST_FOV_DEG
from .job_types import BlobId, Count, Name, Path, Side

__all__ = [
    "Depth",
    "DepthCleaning",
    "DepthEstimate",
    "DepthFiles",
    "DepthReading",
    "Lens",
    "Pictures",
    "Source",
]

_Distance = Annotated[float, Meta(ge=0, le=1e8)]
_Share = Annotated[float, Meta(ge=0, le=1)]


class DepthReading(Struct, frozen=True, forbid_unknown_fields=True):
    """What the numbers in depth files mean. With `near` and `far` they are shares of that range:
    0 to 1, or 0 to the greatest number of a picture of whole numbers."""

    values: Literal["depth", "ray_length", "disparity"] = "depth"
    near: _Distance | None = None
    far: _Distance | None = None
    inverted: bool = False
    scale: float = 1.0
    offset: float = 0.0  # value * scale + offset
    layer: Name | None = None  # of EXR files: channel, layer, part or view; none: the server's rule


class DepthFiles(Struct, frozen=True, tag="files", tag_field="kind", forbid_unknown_fields=True):
    """Depth as the artist has it: one depth.npz, or one picture for each frame, in order."""

    blobs: Annotated[list[BlobId], Meta(min_length=1, max_length=4096)]
    name: Name = "depth.npz"  # of the first file; its suffix tells what they are
    reading: DepthReading | None = None  # none: z-depth as it stands


class DepthEstimate(
    Struct, frozen=True, tag="estimate", tag_field="kind", forbid_unknown_fields=True
):
    """Depth from the clip's pictures, by an estimator that `welcome` lists."""

    estimator: Name  # none: the server's choice
    only_commercial: bool = False  # refuse one that is not for paid work


Depth = DepthFiles | DepthEstimate


class DepthCleaning(Struct, frozen=True, forbid_unknown_fields=True):
    """What is mended in the depth."""

    holes: _Share = 1.0  # how decidedly unknown depth is that of the background
    edges: _Share = 0.0  # how much of the range between two surfaces is taken for empty
    sky_distance: _Distance | None = 0.0  # nothing is farther; 0: off; none: by the depth


class Lens(Struct, frozen=True, forbid_unknown_fields=True):
    """The source camera's intrinsics for every frame, for pictures of a stated size."""

    width: Side
    height: Side
    intrinsics: Path  # float64 [N, 4]: fx, fy, cx, cy, pixel centres at +0.5


class Pictures(Struct, frozen=True, forbid_unknown_fields=True):
    """A clip that is one picture for each frame."""

    blobs: Annotated[list[BlobId], Meta(min_length=2, max_length=4096)]  # of the job's frames
    count: Annotated[int, Meta(ge=2, le=100_000)]  # of all pictures that the clip has
    first_number: Annotated[int, Meta(ge=-999_999_999, le=999_999_999)] = 0  # of the first of all
    fps: Annotated[float, Meta(gt=0, le=10_000)] | None = None  # none: what they say, else 24
    layer: Name | None = None  # of EXR files: layer, part or view; none: the server's rule


class Source(Struct, frozen=True, forbid_unknown_fields=True):
    """A clip, which frames of it, its depth and its lens."""

    clip: BlobId
    clip_name: Name  # display text with the suffix that tells the container
    depth: Depth
    start_frame: Count = 0
    stride: Annotated[int, Meta(ge=1, le=1000)] = 1
    num_frames: Annotated[int, Meta(ge=2, le=4096)] = 49
    width: Side | None = None
    height: Side | None = None
    fov_deg: Annotated[float, Meta(ge=NARROWEST_FOV_DEG, le=WIDEST_FOV_DEG)] | None = None
    lens: Lens | None = None  # with fov_deg: that one counts
    cleaning: DepthCleaning | None = None  # none: what fits the kind of depth
    hdr: Literal["tonemap", "keep"] = "tonemap"  # PQ and HLG: to sRGB, or as they are coded
    deinterlace: bool = False  # a frame for each pair of fields
    pictures: Pictures | None = None  # of which `clip` is the first, and `clip_name` the pattern
