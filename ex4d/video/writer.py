"""Video files written, and the product's own files read back."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from ex4d.errors import VideoError
from ex4d.files.budget import COMMAND_LINE, Budget
from ex4d.video.clip import VideoReading
from ex4d.video.encoder import METADATA_TAGS, Quality, encode
from ex4d.video.opening import open_video
from ex4d.video.reader import read_whole

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from fractions import Fraction

    from numpy.typing import NDArray

__all__ = [
    "painted",
    "read_color",
    "read_mask",
    "read_metadata",
    "write_color",
    "write_mask",
    "write_video",
]

_log = logging.getLogger(__name__)

# One quantiser for every frame and plane. In RGB an error of luma, Cb or Cr weighs the same, but
# x264 spends less on the chroma of 4:4:4 (+6) and on P and B frames, which these undo. At 10,
# uniform noise comes back with 45.2 dB and camera footage with 46; at 11 noise falls below 45.
_COLOR = Quality(
    {
        "preset": "fast",
        "qp": "10",
        "x264-params": "chroma-qp-offset=-6:ipratio=1:pbratio=1",
    },
    full_chroma=True,
)
_MOST_GREY = 0.1  # of a mask's pixels; the public code's lossy masks have 0.0005
_LOSSLESS = Quality({"preset": "medium", "qp": "0"}, full_chroma=False)
# A key frame each half second, for scrubbing. Chroma finer than x264 has it, and no bits taken from
# flat areas: at crf 14 without these a soft red edge moves by 0.15 px in four generations, with
# them by 0.04; files are half as large again.
_PLEASING = Quality(
    {
        "preset": "medium",
        "crf": "12",
        "g": "12",
        "aq-mode": "0",
        "x264-params": "chroma-qp-offset=-6",
    },
    full_chroma=False,
)


def write_color(
    path: str | Path,
    frames: Iterable[NDArray[np.uint8]],  # [T, H, W, 3], sRGB
    fps: Fraction | float,
    *,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write `frames` visually lossless: PSNR >= 45 dB in RGB, frame by frame, whatever is shown.

    Raises UsageError and OutputError as `encode` does.
    """
    encode(Path(path), frames, fps, _COLOR, metadata)


def write_mask(
    path: str | Path,
    masks: Iterable[NDArray[np.bool_]],  # [T, H, W], true where visible
    fps: Fraction | float,
    *,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write `masks` without loss, true as white and false as black.

    Raises UsageError and OutputError as `encode` does.
    """
    encode(Path(path), painted(masks), fps, _LOSSLESS, metadata)


def write_video(
    path: str | Path,
    frames: Iterable[NDArray[np.uint8]],  # [T, H, W, 3], sRGB
    fps: Fraction | float,
    *,
    metadata: dict[str, str] | None = None,
) -> None:
    """Write `frames` for people: every player and Blender's sequencer shows the file.

    Raises UsageError and OutputError as `encode` does.
    """
    encode(Path(path), frames, fps, _PLEASING, metadata)


def read_color(
    path: str | Path, budget: Budget = COMMAND_LINE, reading: VideoReading = VideoReading()
) -> tuple[NDArray[np.uint8], Fraction]:  # [T, H, W, 3], sRGB
    """Read every frame at its native size, and the frame rate; what was assumed of the file, or
    done to its pictures, is a warning of the log. Raises VideoError."""
    clip = read_whole(path, budget, reading)
    for note in clip.notes:  # files that were written here give none
        _log.warning("%s", note)
    return clip.frames, clip.fps


def read_mask(
    path: str | Path, budget: Budget = COMMAND_LINE, reading: VideoReading = VideoReading()
) -> tuple[NDArray[np.bool_], Fraction]:  # [T, H, W]
    """Read every frame as a mask, true where it is brighter than half, and the frame rate.
    A mask of `write_mask` comes back exactly. Raises VideoError, also for ordinary pictures."""
    clip = read_whole(path, budget, reading)
    masks = np.empty(clip.frames.shape[:3], np.bool_)
    n_grey = 0
    for mask, frame in zip(masks, clip.frames, strict=True):
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        mask[:] = grey > 127
        n_grey += cv2.countNonZero(cv2.inRange(grey, 48, 207))
    if n_grey > _MOST_GREY * masks.size:
        share = f"{n_grey / masks.size:.0%} of its pixels are neither black nor white"
        raise VideoError(f"{path} is not a mask: {share}")
    return masks, clip.fps


def read_metadata(path: str | Path) -> dict[str, str]:
    """Read the tags of the file that the writers here can write. Raises VideoError."""
    with open_video(Path(path)) as (container, _):
        return {tag: text for tag, text in container.metadata.items() if tag in METADATA_TAGS}


def painted(masks: Iterable[NDArray[Any]]) -> Iterator[NDArray[np.uint8]]:
    """Masks as pictures: true is white, false black."""
    for mask in masks:
        picture = np.asarray(mask, np.bool_).astype(np.uint8) * np.uint8(255)
        yield np.repeat(picture[..., None], 3, axis=-1)
