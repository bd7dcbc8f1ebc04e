"""A video file that is being decoded, from its beginning on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ex4d.errors import UsageError, VideoError
from ex4d.video.clip import Clip, FrameRange, VideoReading
from ex4d.video.coding import ContainerTags, coding_of
from ex4d.video.deinterlacing import deinterlaced, unmarked_fields
from ex4d.video.picture import Display, Painter
from ex4d.video.source import coded_as, decoded_frames, shown_part
from ex4d.video.timing import PacketTally, is_steady, rate_of, steps_of
from ex4d.video.words import (
    check_pixels,
    counted_frames,
    said_of_colors,
    said_of_damage,
    said_of_fields,
    said_of_start,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

    from ex4d.files.budget import Budget
    from ex4d.video.timing import Rate

__all__ = ["Decoder", "check_whole"]


class Decoder:
    """Reads clips of one file, one after the other."""

    def __init__(
        self,
        path: Path,
        tally: PacketTally,
        container: InputContainer,
        stream: VideoStream,
        budget: Budget,
        reading: VideoReading,
    ) -> None:
        self._path, self._tally, self._stream, self._budget = path, tally, stream, budget
        self._reading = reading
        self._n_decoded = self._n_interlaced = 0
        self._tags = ContainerTags.of(stream)
        self._first_time: int | None = None
        self._last_time: int | None = None
        self._fields = unmarked_fields(stream)
        frames: Iterator[VideoFrame] = self._counted(decoded_frames(path, container, stream))
        if reading.deinterlace:
            frames = deinterlaced(path, frames, self._fields)
        self._frames = enumerate(frames)
        self._painter: Painter | None = None
        self._native_size = (0, 0)
        self._notes: list[str] = []
        self._is_changed = (
            reading.deinterlace
        )  # or cropped, turned, or of colours that others show not so

    def read(
        self,
        chosen: FrameRange,
        size_for: Callable[[tuple[int, int]], tuple[int, int]],
        progress: Callable[[int, int], None] | None = None,
        *,
        counts_rest: bool = True,
    ) -> Clip:
        """Read frames that were not decoded yet. `counts_rest`: decode the rest of the file where
        its packets do not tell how many frames it has. Raises VideoError and UsageError as
        `read_clip` does."""
        path, tally = self._path, self._tally
        frames = np.empty((0, 0, 0, 3), np.uint8)
        indices: list[int] = []
        size = (0, 0)
        for index, frame in self._frames:
            if index < chosen.start or (index - chosen.start) % chosen.stride:
                continue
            if not indices:
                painter = self._painter_for(frame)
                size = size_for(self._native_size)
                n_expected = max(1, chosen.count(tally.n_frames))
                check_pixels(path, n_expected, size, self._budget)
                frames = np.empty((n_expected, size[1], size[0], 3), np.uint8)
            elif len(indices) == len(frames):  # a codec that packs several frames together
                check_pixels(path, 2 * len(frames), size, self._budget)
                frames.resize((2 * len(frames), *frames.shape[1:]), refcheck=False)
            frames[len(indices)] = painter.paint(frame, size)
            indices.append(index)
            if progress is not None:
                progress(len(indices), len(frames))
            if len(indices) == chosen.num_frames:
                n_frames = self._count_rest(counts_rest)
                break
        else:
            n_frames = self._n_decoded
            _check_end(path, chosen, tally, n_frames, self._budget)
        frames.resize((len(indices), *frames.shape[1:]), refcheck=False)
        return self._clip(frames, indices, chosen, n_frames)

    def _clip(
        self, frames: NDArray[np.uint8], indices: list[int], chosen: FrameRange, n_frames: int
    ) -> Clip:
        path = self._path
        rate = rate_of(path, self._stream, self._tally, self._n_lost)
        fps = rate.fps / chosen.stride
        notes = [*self._notes, rate.note, said_of_start(path, self._n_lost)]
        notes.append(said_of_damage(path, self._tally.n_corrupt))
        notes.append(said_of_fields(path, self._n_interlaced, self._reading))
        if chosen.stride > 1:
            notes.append(f"stride {chosen.stride} makes {float(fps):.6g} frames a second of {path}")
        numbers = np.array(indices, np.int64)
        steps = None
        if rate.pauses:
            steps = steps_of(self._stream, self._tally, numbers + self._n_lost)
        return Clip(
            frames=frames,
            fps=fps,
            indices=numbers,
            n_file_frames=n_frames,
            native_size=self._native_size,
            path=path,
            notes=tuple(note for note in notes if note),
            steps=steps,
            is_as_stored=not self._is_changed and self._has_usual_times(rate),
        )

    def _has_usual_times(self, rate: Rate) -> bool:
        is_odd = rate.note or self._n_lost or self._tally.n_corrupt
        return not is_odd and is_steady(self._stream, self._tally)

    def _painter_for(self, frame: VideoFrame) -> Painter:
        """Made once: asking for side data keeps a frame until the next collection."""
        if self._painter is None:
            stream = self._stream
            crop = shown_part(self._path, stream, (frame.width, frame.height))
            display = Display.of(frame, stream.sample_aspect_ratio, crop)
            self._native_size = display.size
            self._painter = Painter(self._path, coded_as(stream), display, self._reading.hdr)
            coding = coding_of(self._path, frame)
            self._notes += said_of_colors(self._path, coding, self._reading)
            self._is_changed |= coding.is_hdr or crop is not None or display.is_turned
            if crop is not None:
                left, top, width, height = crop
                part = f"{width}x{height} pixels from {left}, {top} on"
                self._notes.append(f"{self._path} shows a part of its pictures alone: {part}")
        return self._painter

    def _counted(self, frames: Iterator[VideoFrame]) -> Iterator[VideoFrame]:
        for frame in frames:
            self._n_decoded += 1
            self._tags.complete(frame)
            self._n_interlaced += frame.interlaced_frame or self._fields is not None
            self._last_time = frame.pts
            if self._n_decoded == 1:
                self._first_time = frame.pts
            yield frame

    @property
    def _n_lost(self) -> int:
        """How many frames before the first that was decoded could not be."""
        times = self._tally.times
        if times is None or self._first_time is None or self._tally.is_joined:
            return 0
        return int(np.searchsorted(times, self._first_time))

    def _count_rest(self, decodes: bool) -> int:
        """How many frames the file has. The rest is not decoded if its packets tell: if as many
        frames as packets came until now, but for those that are lost at the beginning."""
        if not decodes:
            return max(self._n_decoded, self._tally.n_frames)
        times, last = self._tally.times, self._last_time
        is_simple = not (self._tally.is_joined or self._tally.n_corrupt)
        if times is not None and last is not None and is_simple:
            n_until_now = int(np.searchsorted(times, last, "right"))
            if n_until_now - self._n_lost == self._n_decoded:
                return max(self._n_decoded, self._tally.n_frames - self._n_lost)
        try:
            for _ in self._frames:
                pass
        except VideoError:  # damaged behind what is wanted
            pass
        return self._n_decoded


def _check_end(
    path: Path, chosen: FrameRange, tally: PacketTally, n_decoded: int, budget: Budget
) -> None:
    """Raise what fits a file that ended after `n_decoded` frames, before the clip was full."""
    check_whole(path, tally, n_decoded)
    if n_decoded == 0:
        limit = f"or its pictures have more than {budget.picture_pixels} pixels"
        raise VideoError(f"{path} has no frames that can be decoded: it is damaged, {limit}")
    if chosen.start >= n_decoded:
        raise UsageError(
            f"frame {chosen.start} is beyond the end of {path}, which has "
            f"{counted_frames(n_decoded)}: 0 to {n_decoded - 1}"
        )


def check_whole(path: Path, tally: PacketTally, n_readable: int) -> None:
    """Raise VideoError when packets of the file are missing or incomplete."""
    if tally.is_cut:
        declared = (
            f"declares {counted_frames(tally.n_declared)}" if tally.n_declared else "is cut short"
        )
        raise VideoError(f"{path} is damaged: it {declared} but only {n_readable} could be read")
