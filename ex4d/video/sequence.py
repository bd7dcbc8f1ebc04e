"""A clip that is one picture for each frame: which files make it, and their frames."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from ex4d.errors import UsageError, VideoError
from ex4d.files.picture_names import CLIP_SUFFIXES, PictureNamesError, find_numbered, is_picture
from ex4d.pictures.claims import PictureError
from ex4d.pictures.colors import ColourPicture, read_colour
from ex4d.video.clip import Clip, FrameRange, VideoReading
from ex4d.video.picture import resized
from ex4d.video.words import check_pixels, counted_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from ex4d.files.budget import Budget

__all__ = [
    "USUAL_RATE",
    "PictureSequence",
    "check_is_video",
    "find_sequence",
    "frames_from",
    "read_sequence",
]

USUAL_RATE = Fraction(24)  # of pictures, when nothing says it
_STILLS = (b"\x89PNG", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_STILLS_TOO = (b"SDPX", b"XPDS", b"\x76\x2f\x31\x01")
_START_BYTES = 1 << 12


@dataclass(frozen=True)
class PictureSequence:
    """Pictures of a clip, one for each frame."""

    path: Path  # what was named: their folder, a pattern, or one of them
    first_number: int  # the frame number of the first; they rise by 1
    count: int  # of all pictures
    pictures: Mapping[int, Path]  # by their places from 0 on; all, or those that will be read

    def at(self, chosen: FrameRange) -> list[Path]:
        """The pictures of the chosen frames."""
        return [
            self.pictures[chosen.start + chosen.stride * n] for n in range(chosen.count(self.count))
        ]

    @property
    def said_numbers(self) -> str:
        """Which frames there are: `1001 to 1049`."""
        return f"{self.first_number} to {self.first_number + self.count - 1}"


def find_sequence(path: Path) -> PictureSequence | None:
    """The pictures that `path` names, by the rule of `ex4d.files.picture_names`; None when it is a
    video, or nothing at all. Raises VideoError: names that make no sequence."""
    try:
        if path.is_file() and not _is_still(path):
            return None
        numbered = find_numbered(path, CLIP_SUFFIXES)
    except PictureNamesError as error:
        raise VideoError(str(error)) from None
    except OSError as error:
        raise VideoError(f"{path} cannot be read: {error.strerror}") from None
    if numbered is None:
        return None
    pictures = {place: picture for place, (_, picture) in enumerate(numbered)}
    return PictureSequence(path, numbered[0][0], len(pictures), pictures)


def check_is_video(path: Path, reading: VideoReading) -> None:
    """Raise UsageError when `reading` says of a video what only pictures do not know."""
    for name, value in (("fps", reading.fps), ("layer", reading.layer)):
        if value is not None:
            raise UsageError(f"{path} is a video, which needs no {name}: it is for pictures")


def frames_from(path: Path, number: int | None, stride: int, num_frames: int | None) -> FrameRange:
    """The frames of a clip from `number` on: of pictures their own numbers count, of a video its
    frames from 0 on. None: from the first. Raises VideoError as find_sequence does, and UsageError
    for a number before the first."""
    sequence = find_sequence(path)
    if sequence is None or number is None:
        return FrameRange(number or 0, stride, num_frames)
    if number < sequence.first_number:
        raise UsageError(
            f"frame {number} is before the first of {path}, which has frames "
            f"{sequence.said_numbers}"
        )
    return FrameRange(number - sequence.first_number, stride, num_frames)


def read_sequence(
    sequence: PictureSequence,
    chosen: FrameRange,
    size_for: Callable[[tuple[int, int]], tuple[int, int]],
    budget: Budget,
    progress: Callable[[int, int], None] | None = None,
    reading: VideoReading = VideoReading(),
) -> Clip:
    """Read the chosen pictures at the size (W, H) that `size_for` gives for their own, as a video
    of the same pictures would be read.

    Raises VideoError, naming the picture: it cannot be read, has another size than the first, or
    has its colour elsewhere; and UsageError for a start beyond the end, or more pixels than the
    budget has.
    """
    path, count = sequence.path, sequence.count
    if count > budget.video_frames:
        raise VideoError(f"{path} has {count} pictures; {budget.video_frames} are the most")
    if chosen.start >= count:
        number = sequence.first_number + chosen.start
        raise UsageError(
            f"frame {number} is beyond the end of {path}, which has {counted_frames(count)}: "
            f"{sequence.said_numbers}"
        )
    if reading.deinterlace:
        raise UsageError(f"{path} holds whole pictures: deinterlace is for videos")
    indices = chosen.start + chosen.stride * np.arange(chosen.count(count))
    paths = sequence.at(chosen)
    first = _read(paths[0], reading, budget)
    height, width = first.pixels.shape[:2]
    native_size = max(1, round(width * first.pixel_aspect)), height
    size = size_for(native_size)
    check_pixels(path, len(paths), size, budget)
    frames = np.empty((len(paths), size[1], size[0], 3), np.uint8)
    for number, picture_path in enumerate(paths):
        picture = first if number == 0 else _read(picture_path, reading, budget)
        _check_alike(paths[0], first, picture_path, picture)
        frames[number] = resized(picture.pixels, size)
        if progress is not None:
            progress(number + 1, len(paths))
    clip = Clip(
        frames=frames,
        fps=Fraction(0),
        indices=indices.astype(np.int64),
        n_file_frames=count,
        native_size=native_size,
        path=path,
        first_number=sequence.first_number,
    )
    return _told(clip, first, paths[0], reading, chosen.stride)


def _told(
    clip: Clip, first: ColourPicture, picture: Path, reading: VideoReading, stride: int
) -> Clip:
    """The clip with its rate, and with what is to be said of it."""
    notes = [f"{picture}: {said}" for said in first.said]
    rate = reading.fps or first.rate
    if rate is None:
        rate = USUAL_RATE
        notes.append(f"{clip.path} does not say its rate: {rate} frames a second are taken (--fps)")
    if stride > 1:
        fps = float(rate / stride)
        notes.append(f"stride {stride} makes {fps:.6g} frames a second of {clip.path}")
    return replace(clip, fps=rate / stride, notes=tuple(notes))


def _read(path: Path, reading: VideoReading, budget: Budget) -> ColourPicture:
    try:
        return read_colour(path, reading.layer, budget)
    except PictureError as error:
        raise VideoError(str(error)) from None


def _check_alike(
    first_path: Path, first: ColourPicture, path: Path, picture: ColourPicture
) -> None:
    (height, width), (first_height, first_width) = picture.pixels.shape[:2], first.pixels.shape[:2]
    if (width, height) != (first_width, first_height):
        raise VideoError(
            f"{path} has {width}x{height} pixels, {first_path} has {first_width}x{first_height}"
        )
    if picture.said != first.said:
        kinds = [" and ".join(p.said) or "plain code values" for p in (picture, first)]
        raise VideoError(f"{path} gives {kinds[0]}, {first_path} {kinds[1]}")


def _is_still(path: Path) -> bool:
    """Whether a file is one picture of a sequence by its name and its content: a movie that is
    called so, or an animated PNG, is none."""
    if not is_picture(path.name, CLIP_SUFFIXES):
        return False
    with path.open("rb") as file:
        start = file.read(_START_BYTES)
    return start.startswith((*_STILLS, *_STILLS_TOO)) and not (
        start.startswith(b"\x89PNG") and b"acTL" in start
    )
