"""What lies in an opened video: its packets and its decoded frames."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import av

from ex4d.budget import COMMAND_LINE, Budget
from ex4d.errors import VideoError
from ex4d.video.opening import open_video
from ex4d.video.picture import Display

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

__all__ = [
    "PacketTally",
    "VideoInfo",
    "decoded_frames",
    "frame_rate",
    "probe",
]

_USUAL_RATE = Fraction(25)  # what FFmpeg takes for a stream without any times


@dataclass(frozen=True)
class VideoInfo:
    """What a video file declares about itself."""

    native_size: tuple[int, int]  # (W, H) as displayed
    fps: Fraction
    n_frames: int | None  # None when only counting would tell
    codec: str
    pixel_format: str


@dataclass(frozen=True)
class PacketTally:
    """What lies in a video file, counted without decoding."""

    n_frames: int  # frames that a decoder would show
    n_declared: int  # packets that the file's index lists, 0 when it has none
    is_cut: bool  # packets are missing or incomplete
    rate: Fraction | None  # frames per second by their times, None below 2 frames or with gaps

    @classmethod
    def of(cls, path: Path, budget: Budget = COMMAND_LINE) -> PacketTally:
        """Count the packets of the video in `path`. Raises VideoError as open_video does, and for
        more frames than the budget has."""
        times: list[int] = []
        n_shown = n_packets = n_corrupt = 0
        with open_video(path, budget) as (container, stream):
            for packet in _packets(path, container, stream):
                n_packets += packet.size > 0
                if n_packets > budget.video_frames:
                    most = budget.video_frames
                    raise VideoError(f"{path} has more than {most} frames, the most that are read")
                n_corrupt += packet.is_corrupt
                if packet.size > 0 and not packet.is_corrupt and not packet.is_discard:
                    n_shown += 1
                    if packet.pts is not None:
                        times.append(packet.pts)
            # mp4's index is exact and leaves out what an edit list cuts; others only estimate
            is_mp4 = "mp4" in container.format.name
            n_listed = len(stream.index_entries) if is_mp4 else stream.frames
            is_cut = n_corrupt > 0 or (is_mp4 and n_packets < n_listed)
            span = (max(times) - min(times)) * (stream.time_base or 0) if times else Fraction(0)
        rate = Fraction(len(times) - 1) / span if span and not is_cut else None
        return cls(n_shown, n_listed, is_cut, rate)


def decoded_frames(
    path: Path, container: InputContainer, stream: VideoStream
) -> Iterator[VideoFrame]:
    """Decode frame by frame in the order of display.

    Raises VideoError at a frame that cannot be decoded. Packets before the first good frame may
    fail: a recording that starts between two key frames does.
    """
    stream.thread_type = "AUTO"
    n_decoded = 0
    for packet in _packets(path, container, stream):
        try:
            frames = stream.decode(packet if packet.size else None)
        except av.EOFError:
            return
        except MemoryError:  # no fault of the file
            raise
        except av.FFmpegError as error:
            if n_decoded == 0:
                continue
            text = f"{path} is damaged: what follows its frame {n_decoded - 1} cannot be decoded"
            raise VideoError(text) from error
        for frame in frames:
            n_decoded += 1
            yield frame


def frame_rate(stream: VideoStream, measured: Fraction | None = None) -> Fraction:
    """Give the declared average rate, or the measured one where that is clearly lower: GIF and
    Matroska declare the rate of the first frames only, or of their clock."""
    declared = stream.average_rate or stream.guessed_rate
    if measured and (not declared or measured < declared * Fraction(95, 100)):
        declared = measured
    return (declared or _USUAL_RATE).limit_denominator(65535)


def probe(path: str | Path) -> VideoInfo:
    """Describe a video file at the cost of decoding one frame. Raises VideoError."""
    path = Path(path)
    with open_video(path) as (container, stream):
        frame = next(decoded_frames(path, container, stream), None)
        if frame is None:
            raise VideoError(f"{path} has no frames")
        return VideoInfo(
            native_size=Display.of(frame, stream.sample_aspect_ratio).size,
            fps=frame_rate(stream),
            n_frames=stream.frames or None,
            codec=stream.codec_context.name,
            pixel_format=frame.format.name,
        )


def _packets(
    path: Path, container: InputContainer, stream: VideoStream
) -> Iterator[av.Packet[VideoStream]]:
    try:
        yield from container.demux(stream)
    except MemoryError:
        raise
    except av.FFmpegError as error:
        raise VideoError(f"{path} is damaged: {error.strerror}") from error
