"""The flags that say which frames of what make a clip."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ex4d.cli.reading_flags import add_reading_flags, reading_of_flags
from ex4d.errors import UsageError
from ex4d.video.clip import VideoReading
from ex4d.video.sequence import find_sequence, frames_from

if TYPE_CHECKING:
    import argparse

    from ex4d.video.clip import FrameRange

__all__ = ["add_clip_flags", "add_rate_flag", "clip_reading_of", "files_of", "frames_of", "rate_of"]

_NTSC = {
    "23.976": Fraction(24000, 1001),
    "23.98": Fraction(24000, 1001),
    "29.97": Fraction(30000, 1001),
    "59.94": Fraction(60000, 1001),
}


def add_clip_flags(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add them."""
    add = parser.add_argument
    add(
        "--input_video",
        required=required,
        type=Path,
        help="any video that FFmpeg reads; or pictures, one a frame: their folder, plate.####.exr, "
        "plate.%%04d.png, plate.1001-1049.exr, or one of them",
    )
    add("--num_frames", type=int, default=49, help="at most so many frames (default 49)")
    add(
        "--start_frame",
        type=int,
        help="first frame: a video's are counted from 0, pictures have their own numbers",
    )
    add("--stride", type=int, default=1, help="take every n-th frame, at an n-th of the rate")
    add_rate_flag(parser)
    add("--layer", help="of EXR pictures: layer, part or view; default: the beauty")
    add_reading_flags(parser)
    add("--width", type=int, help="working width; default: the video's, at most 1024")
    add("--height", type=int, help="working height")


def add_rate_flag(parser: argparse.ArgumentParser) -> None:
    """Add --fps."""
    parser.add_argument(
        "--fps", help="of pictures, as 25 or 24000/1001 (default: what they say, else 24)"
    )


def frames_of(arguments: argparse.Namespace) -> FrameRange:
    """Which frames the flags choose. Raises UsageError, VideoError."""
    video, start = arguments.input_video, arguments.start_frame
    return frames_from(video, start, arguments.stride, arguments.num_frames)


def clip_reading_of(arguments: argparse.Namespace) -> VideoReading:
    """How the flags say that the clip is read. Raises UsageError."""
    return replace(reading_of_flags(arguments), fps=rate_of(arguments), layer=arguments.layer)


def rate_of(arguments: argparse.Namespace) -> Fraction | None:
    """What --fps says. Raises UsageError."""
    text = arguments.fps
    if text is None:
        return None
    try:
        rate = _NTSC.get(text) or Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"--fps is {text!r}; give a rate as 25 or 24000/1001") from None
    return VideoReading(fps=rate).fps


def files_of(path: Path) -> list[Path]:
    """The files of a clip: a video alone, or all its pictures. Raises VideoError."""
    sequence = find_sequence(path)
    return [path] if sequence is None else [path, *sequence.pictures.values()]
