"""Clips read from video files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ex4d.budget import COMMAND_LINE, Budget
from ex4d.errors import UsageError, VideoError
from ex4d.video.opening import open_video
from ex4d.video.picture import Display, show, to_rgb
from ex4d.video.size import working_size
from ex4d.video.source import (
    PacketTally,
    VideoInfo,
    decoded_frames,
    frame_rate,
    probe,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator
    from fractions import Fraction

    from av.container import InputContainer
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

__all__ = ["Clip", "FrameRange", "VideoInfo", "probe", "read_clip", "read_clips", "read_whole"]


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


@dataclass(frozen=True, eq=False)
class Clip:
    """Chosen frames of a video file, upright and with square pixels."""

    frames: NDArray[np.uint8]  # [N, H, W, 3], sRGB
    fps: Fraction  # the file's own average rate, whatever the stride
    indices: NDArray[np.int64]  # [N], the frames' numbers in the file
    n_file_frames: int
    native_size: tuple[int, int]  # (W, H) of the file as displayed
    path: Path


def read_clip(
    path: str | Path,
    frames: FrameRange = FrameRange(),
    *,
    width: int | None = None,
    height: int | None = None,
    min_frames: int = 2,
    progress: Callable[[int, int], None] | None = None,
    budget: Budget = COMMAND_LINE,
) -> Clip:
    """Read the chosen frames at their working size (see `working_size`), as a player shows them:
    frame by frame as stored, rotated upright, pixels made square, colours by the file's tags.
    A file that ends early gives a shorter clip. `progress` counts the frames.

    Raises UsageError for a start beyond the end, a bad size, or more pixels than the budget has,
    and VideoError for a file that cannot be read, is damaged before the last chosen frame, or
    gives fewer than `min_frames`.
    """
    if frames.num_frames is not None and frames.num_frames < min_frames:
        raise UsageError(f"num_frames is {frames.num_frames}; a clip needs at least {min_frames}")

    def size_for(native_size: tuple[int, int]) -> tuple[int, int]:
        return working_size(native_size, width=width, height=height)

    clip = _read(Path(path), frames, size_for, budget, progress)
    if len(clip.frames) < min_frames:
        raise VideoError(_too_short(clip, frames, min_frames))
    return clip


def read_whole(path: str | Path, budget: Budget = COMMAND_LINE) -> Clip:
    """Read every frame at its native size. Raises VideoError, and UsageError for more pixels than
    the budget has."""
    return _read(Path(path), FrameRange(num_frames=None), lambda native_size: native_size, budget)


def read_clips(
    path: str | Path,
    size_for: Callable[[tuple[int, int]], tuple[int, int]],
    *,
    num_frames: int,
    stride: int = 1,
    skip: Container[int] = (),
    budget: Budget = COMMAND_LINE,
) -> Iterator[Clip]:
    """Read a file's clips of `num_frames` frames, one after the other, in one pass; what is left
    over at its end is not read. Clips whose first frame is in `skip` are passed over.

    `size_for` gives the size (W, H) to read at for the file's own. Raises UsageError and VideoError
    as read_clip does: for a file that is too short for one clip, and for one that is damaged, after
    the clips before the damage.
    """
    path, first = Path(path), 0
    tally = PacketTally.of(path, budget)
    chosen = FrameRange(0, stride, num_frames)
    with open_video(path, budget) as (container, stream):
        decoder = _Decoder(path, tally, container, stream, budget)
        while first == 0 or chosen.count(tally.n_frames) == num_frames:
            if first not in skip:
                clip = decoder.read(chosen, size_for)
                if len(clip.frames) < num_frames:
                    raise VideoError(_too_short(clip, chosen, num_frames))
                yield clip
            first += stride * num_frames
            chosen = FrameRange(first, stride, num_frames)
    _check_whole(path, tally, tally.n_frames)


def _read(
    path: Path,
    chosen: FrameRange,
    size_for: Callable[[tuple[int, int]], tuple[int, int]],
    budget: Budget,
    progress: Callable[[int, int], None] | None = None,
) -> Clip:
    tally = PacketTally.of(path, budget)
    with open_video(path, budget) as (container, stream):
        return _Decoder(path, tally, container, stream, budget).read(chosen, size_for, progress)


class _Decoder:
    """A file that is being decoded, from its beginning on."""

    def __init__(
        self,
        path: Path,
        tally: PacketTally,
        container: InputContainer,
        stream: VideoStream,
        budget: Budget,
    ) -> None:
        self._path, self._tally, self._stream, self._budget = path, tally, stream, budget
        self._decoded = enumerate(decoded_frames(path, container, stream))
        self._n_decoded = 0

    def read(
        self,
        chosen: FrameRange,
        size_for: Callable[[tuple[int, int]], tuple[int, int]],
        progress: Callable[[int, int], None] | None = None,
    ) -> Clip:
        """Read frames that were not decoded yet."""
        path, tally = self._path, self._tally
        frames = np.empty((0, 0, 0, 3), np.uint8)
        indices: list[int] = []
        native_size = size = (0, 0)
        for index, frame in self._decoded:
            self._n_decoded = index + 1
            if index < chosen.start or (index - chosen.start) % chosen.stride:
                continue
            if not indices:  # once: asking for side data keeps a frame until the next collection
                display = Display.of(frame, self._stream.sample_aspect_ratio)
                native_size, size = display.size, size_for(display.size)
                n_expected = max(1, chosen.count(tally.n_frames))
                _check_pixels(path, n_expected, size, self._budget)
                frames = np.empty((n_expected, size[1], size[0], 3), np.uint8)
            elif len(indices) == len(frames):  # a codec that packs several frames together
                _check_pixels(path, 2 * len(frames), size, self._budget)
                frames.resize((2 * len(frames), *frames.shape[1:]), refcheck=False)
            frames[len(indices)] = show(to_rgb(frame), display, size)
            indices.append(index)
            if progress is not None:
                progress(len(indices), len(frames))
            if len(indices) == chosen.num_frames:
                # the rest is counted, not decoded
                n_frames = max(self._n_decoded, tally.n_frames)
                break
        else:
            n_frames = self._n_decoded
            _check_end(path, chosen, tally, n_frames, self._budget)
        frames.resize((len(indices), *frames.shape[1:]), refcheck=False)
        fps = frame_rate(self._stream, tally.rate)
        return Clip(frames, fps, np.array(indices, np.int64), n_frames, native_size, path)


def _check_pixels(path: Path, n_frames: int, size: tuple[int, int], budget: Budget) -> None:
    """Refuse a clip that no memory could hold, before it is decoded (M8)."""
    if n_frames * size[0] * size[1] > budget.clip_pixels:
        raise UsageError(
            f"{_frames(n_frames)} of {size[0]} x {size[1]} from {path} are more than the "
            f"{budget.clip_pixels} pixels that a clip may have: choose fewer or a smaller size"
        )


def _check_end(
    path: Path, chosen: FrameRange, tally: PacketTally, n_decoded: int, budget: Budget
) -> None:
    """Raise what fits a file that ended after `n_decoded` frames, before the clip was full."""
    _check_whole(path, tally, n_decoded)
    if n_decoded == 0:
        limit = f"or its pictures have more than {budget.picture_pixels} pixels"
        raise VideoError(f"{path} has no frames that can be decoded: it is damaged, {limit}")
    if chosen.start >= n_decoded:
        raise UsageError(
            f"frame {chosen.start} is beyond the end of {path}, which has {_frames(n_decoded)}:"
            f" 0 to {n_decoded - 1}"
        )


def _check_whole(path: Path, tally: PacketTally, n_readable: int) -> None:
    if tally.is_cut:
        declared = f"declares {_frames(tally.n_declared)}" if tally.n_declared else "is cut short"
        raise VideoError(f"{path} is damaged: it {declared} but only {n_readable} could be read")


def _too_short(clip: Clip, chosen: FrameRange, min_frames: int) -> str:
    text = f"{clip.path} has only {_frames(clip.n_file_frames)}"
    if clip.n_file_frames >= min_frames:
        given = _frames(len(clip.frames))
        text += f", and start {chosen.start} with stride {chosen.stride} leaves {given}"
    return f"{text}; a clip needs at least {min_frames}"


def _frames(count: int) -> str:
    return f"{count} frame" if count == 1 else f"{count} frames"
