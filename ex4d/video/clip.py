"""A clip, which frames of a file make it, and how they are to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ex4d.errors import UsageError

if TYPE_CHECKING:
    from fractions import Fraction
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["HDR_CHOICES", "Clip", "FrameRange", "Steps", "VideoReading"]

HDR_CHOICES = ("tonemap", "keep")
_FASTEST = 10_000


@dataclass(frozen=True)
class FrameRange:
    """Which frames of a file make the clip: `start`, `start + stride`, ... at most `num_frames`.

    Raises UsageError for values that no file can satisfy.
    """

    start: int = 0
    stride: int = 1
    num_frames: int | None = 49  # None: to the end of the file

    def __post_init__(self) -> None:
        smallest = {"start": 0, "stride": 1, "num_frames": 1}
        for name, limit in smallest.items():
            value = getattr(self, name)
            if value is not None and value < limit:
                raise UsageError(f"{name} is {value}; it must be at least {limit}")

    def count(self, n_file_frames: int) -> int:
        """How many frames of a file with `n_file_frames` are chosen."""
        n_available = max(0, -(-(n_file_frames - self.start) // self.stride))
        return n_available if self.num_frames is None else min(n_available, self.num_frames)


@dataclass(frozen=True)
class VideoReading:
    """What is made of pictures that are not simply shown. Raises UsageError."""

    hdr: str = "tonemap"  # "keep": the code values as they are, flat and dark on a usual screen
    deinterlace: bool = False  # each frame from its own first field and its neighbours
    fps: Fraction | None = None  # of pictures; a video says it itself
    layer: str | None = None  # of EXR pictures; none: as ex4d.pictures.exr_colors chooses

    def __post_init__(self) -> None:
        if self.hdr not in HDR_CHOICES:
            raise UsageError(f"hdr is {self.hdr}; it must be {' or '.join(HDR_CHOICES)}")
        if self.fps is not None and not 0 < self.fps <= _FASTEST:
            raise UsageError(f"fps is {float(self.fps):g}; it must be above 0, at most {_FASTEST}")


@dataclass(frozen=True, eq=False)
class Clip:
    """Chosen frames of a video file or of pictures, upright and with square pixels."""

    frames: NDArray[np.uint8]  # [N, H, W, 3], sRGB
    fps: Fraction  # of these frames: the file's rate over the stride, so that time keeps its speed
    indices: NDArray[np.int64]  # [N], where in the file the frames are, from 0 on
    n_file_frames: int
    native_size: tuple[int, int]  # (W, H) of the file as displayed
    path: Path
    notes: tuple[str, ...] = ()  # sentences: what was assumed, and done to the pictures
    steps: Steps | None = None  # where the file pauses
    first_number: int | None = None  # of pictures: what the first of them all is called, as 1001
    is_as_stored: bool = True  # programs that know no more than the file show the same pictures

    @property
    def numbers(self) -> NDArray[np.int64]:
        """What the frames are called, [N]; those of a video are counted from 0."""
        return self.indices + (self.first_number or 0)

    @property
    def start_number(self) -> int | None:
        """What the first of these frames is called, and that of what is made of them; None of a
        video. They go on by 1, for a stride slows the rate instead."""
        return None if self.first_number is None else int(self.numbers[0])


@dataclass(frozen=True, eq=False)
class Steps:
    """When a clip's frames are shown, in steps of the file's own rate: programs that keep the rate,
    FFmpeg among them, write the frame before a pause again for each step."""

    of_frames: NDArray[np.int64]  # [N], each frame's first
    count: int  # of the whole file
