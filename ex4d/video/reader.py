"""Clips read from video files and sequences of pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from ex4d.errors import UsageError, VideoError
from ex4d.files.budget import COMMAND_LINE, Budget
from ex4d.video.clip import Clip, FrameRange, VideoReading
from ex4d.video.decoder import Decoder, check_whole
from ex4d.video.opening import open_video
from ex4d.video.sequence import PictureSequence, check_is_video, find_sequence, read_sequence
from ex4d.video.size import working_size
from ex4d.video.source import VideoInfo, probe
from ex4d.video.timing import PacketTally
from ex4d.video.words import counted_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

__all__ = [
    "Clip",
    "FrameRange",
    "VideoInfo",
    "VideoReading",
    "probe",
    "read_clip",
    "read_clips",
    "read_whole",
]


def read_clip(
    path: str | Path | PictureSequence,
    frames: FrameRange = FrameRange(),
    *,
    width: int | None = None,
    height: int | None = None,
    min_frames: int = 2,
    progress: Callable[[int, int], None] | None = None,
    budget: Budget = COMMAND_LINE,
    reading: VideoReading = VideoReading(),
) -> Clip:
    """Read the chosen frames at their working size (see `working_size`), as a player shows them:
    frame by frame as stored, rotated upright, pixels made square, colours by the file's tags.
    HDR and interlaced pictures, and sequences of pictures (see `find_sequence`), are taken as
    `reading` says. A file that ends early gives a shorter
    clip. `progress` counts the frames. What was assumed or done stands in the clip's notes.

    Raises UsageError for a start beyond the end, a bad size, or more pixels than the budget has,
    and VideoError for a file that cannot be read, is damaged before the last chosen frame, or
    gives fewer than `min_frames`.
    """
    if frames.num_frames is not None and frames.num_frames < min_frames:
        raise UsageError(f"num_frames is {frames.num_frames}; a clip needs at least {min_frames}")

    def size_for(native_size: tuple[int, int]) -> tuple[int, int]:
        return working_size(native_size, width=width, height=height)

    source = path if isinstance(path, PictureSequence) else Path(path)
    clip = _read(source, frames, size_for, budget, progress, reading)
    if len(clip.frames) < min_frames:
        raise VideoError(_too_short(clip, frames, min_frames))
    return clip


def read_whole(
    path: str | Path, budget: Budget = COMMAND_LINE, reading: VideoReading = VideoReading()
) -> Clip:
    """Read every frame at its native size. Raises VideoError, and UsageError for more pixels than
    the budget has."""
    return _read(
        Path(path),
        FrameRange(num_frames=None),
        lambda native_size: native_size,
        budget,
        reading=reading,
    )


def read_clips(
    path: str | Path,
    size_for: Callable[[tuple[int, int]], tuple[int, int]],
    *,
    num_frames: int,
    stride: int = 1,
    skip: Container[int] = (),
    budget: Budget = COMMAND_LINE,
    reading: VideoReading = VideoReading(),
) -> Iterator[Clip]:
    """Read a file's clips of `num_frames` frames, one after the other, in one pass; what is left
    over at its end is not read. Clips whose first frame is in `skip` are passed over.

    `size_for` gives the size (W, H) to read at for the file's own. Raises UsageError and VideoError
    as read_clip does: for a file that is too short for one clip, and for one that is damaged, after
    the clips before the damage.
    """
    path, first = Path(path), 0
    sequence = find_sequence(path)
    if sequence is not None:
        yield from _clips_of(sequence, size_for, FrameRange(0, stride, num_frames), skip, budget)
        return
    tally = PacketTally.of(path, budget)
    chosen = FrameRange(0, stride, num_frames)
    with open_video(path, budget) as (container, stream):
        decoder = Decoder(path, tally, container, stream, budget, reading)
        while first == 0 or chosen.count(tally.n_frames) == num_frames:
            if first not in skip:
                clip = decoder.read(chosen, size_for, counts_rest=False)
                if first > 0 and clip.n_file_frames < tally.n_frames and not tally.is_cut:
                    return  # some packets held no frame
                if len(clip.frames) < num_frames:
                    raise VideoError(_too_short(clip, chosen, num_frames))
                yield clip
            first += stride * num_frames
            chosen = FrameRange(first, stride, num_frames)
    check_whole(path, tally, tally.n_frames)


def _clips_of(
    sequence: PictureSequence,
    size_for: Callable[[tuple[int, int]], tuple[int, int]],
    chosen: FrameRange,
    skip: Container[int],
    budget: Budget,
) -> Iterator[Clip]:
    """The clips of a sequence, as read_clips gives them; `chosen` is the first."""
    num_frames = chosen.num_frames or 0
    while chosen.start == 0 or chosen.count(sequence.count) == num_frames:
        if chosen.start not in skip:
            clip = read_sequence(sequence, chosen, size_for, budget)
            if len(clip.frames) < num_frames:
                raise VideoError(_too_short(clip, chosen, num_frames))
            yield clip
        chosen = FrameRange(chosen.start + chosen.stride * num_frames, chosen.stride, num_frames)


def _read(
    path: Path | PictureSequence,
    chosen: FrameRange,
    size_for: Callable[[tuple[int, int]], tuple[int, int]],
    budget: Budget,
    progress: Callable[[int, int], None] | None = None,
    reading: VideoReading = VideoReading(),
) -> Clip:
    sequence = path if isinstance(path, PictureSequence) else find_sequence(path)
    if sequence is not None:
        return read_sequence(sequence, chosen, size_for, budget, progress, reading)
    path = cast("Path", path)
    check_is_video(path, reading)
    tally = PacketTally.of(path, budget)
    with open_video(path, budget) as (container, stream):
        decoder = Decoder(path, tally, container, stream, budget, reading)
        return decoder.read(chosen, size_for, progress)


def _too_short(clip: Clip, chosen: FrameRange, min_frames: int) -> str:
    text = f"{clip.path} has only {counted_frames(clip.n_file_frames)}"
    if clip.n_file_frames >= min_frames:
        given = counted_frames(len(clip.frames))
        text += f", and start {chosen.start} with stride {chosen.stride} leaves {given}"
    return f"{text}; a clip needs at least {min_frames}"
