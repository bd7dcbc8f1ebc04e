"""The clip that a job names: a video, or one picture for each of its frames."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from backend.worker.library_inputs import link_blob, safe_suffix
from ex4d.files.budget import COMMAND_LINE, Budget
from ex4d.files.picture_names import pattern_of
from ex4d.video.reader import Clip, FrameRange, VideoReading, read_clip
from ex4d.video.sequence import PictureSequence

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ex4d.conditions.render import Progress
    from protocol.messages.jobs import Pictures, Source

__all__ = ["frames_of", "link_clip", "read_clip_of", "shown_clip_names"]


def frames_of(source: Source) -> FrameRange:
    """Which frames of the clip a job takes. Raises UsageError."""
    return FrameRange(source.start_frame, source.stride, source.num_frames)


def read_clip_of(
    source: Source,
    given: Path | PictureSequence,
    progress: Progress | None = None,
    *,
    budget: Budget = COMMAND_LINE,
) -> Clip:
    """Read the frames of a clip that a job names. `progress` counts them.

    Raises VideoError, UsageError.
    """
    pictures = source.pictures
    fps = None if pictures is None or pictures.fps is None else _rate(pictures.fps)
    layer = None if pictures is None else pictures.layer
    return read_clip(
        given,
        frames_of(source),
        width=source.width,
        height=source.height,
        progress=progress,
        budget=budget,
        reading=VideoReading(source.hdr, source.deinterlace, fps, layer),
    )


def link_clip(source: Source, inputs: Mapping[str, Path], folder: Path) -> Path | PictureSequence:
    """Give the files of a clip names in a folder that people and suffix-minded readers understand:
    its path, or that of all its pictures."""
    path = folder / _name_of(source)
    if source.pictures is None:
        return link_blob(inputs, source.clip, path)
    chosen, linked = frames_of(source), {}
    for index, blob in enumerate(source.pictures.blobs):
        place = chosen.start + index * chosen.stride
        link = folder / _picture_name(source, source.pictures.first_number + place)
        linked[place] = link_blob(inputs, blob, link)
    return PictureSequence(path, source.pictures.first_number, source.pictures.count, linked)


def shown_clip_names(source: Source, folder: Path) -> list[tuple[str, str]]:
    """Paths of `link_clip`, and what a client calls them."""
    names = [(f"{folder / _name_of(source)}", source.clip_name)]
    pattern = pattern_of(source.clip_name)
    if source.pictures is None or pattern is None:
        return names
    before, width, after = pattern
    numbers = _numbers(source, source.pictures)
    shown = [
        (f"{folder / _picture_name(source, number)}", f"{before}{number:0{width}d}{after}")
        for number in numbers
    ]
    return [*names, *shown]


def _name_of(source: Source) -> str:
    """What the clip is called here."""
    if source.pictures is None:
        return f"clip{safe_suffix(source.clip_name)}"
    return f"clip.#{safe_suffix(source.clip_name)}"


def _picture_name(source: Source, number: int) -> str:
    return f"clip.{number}{safe_suffix(source.clip_name)}"


def _numbers(source: Source, pictures: Pictures) -> range:
    first = pictures.first_number + source.start_frame
    return range(first, first + source.stride * len(pictures.blobs), source.stride)


def _rate(fps: float) -> Fraction:
    """A rate as it was before it became a float: 24000/1001."""
    return Fraction(fps).limit_denominator(65535)
