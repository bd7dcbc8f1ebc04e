"""A video file opened for reading: its stream, its packets and its decoded frames."""

from __future__ import annotations

import stat
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.stream import Disposition

from ex4d.errors import VideoError
from ex4d.video.picture import Display

if TYPE_CHECKING:
    from collections.abc import Iterator

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

__all__ = [
    "MOST_PIXELS",
    "PacketTally",
    "VideoInfo",
    "decoded_frames",
    "frame_rate",
    "open_video",
    "probe",
]

MOST_PIXELS = 1 << 27  # of one picture: 16384 x 8192; a bomb of a few kB claims more (M8)
_STILL = Disposition.attached_pic | Disposition.timed_thumbnails  # cover art
_LIMIT = {"max_pixels": str(MOST_PIXELS)}  # FFmpeg decodes no larger picture
_MOST_STREAMS = 64  # that are probed with the limit
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
    def of(cls, path: Path) -> PacketTally:
        """Count the packets of the video in `path`. Raises VideoError as open_video does."""
        times: list[int] = []
        n_shown = n_packets = n_corrupt = 0
        with open_video(path) as (container, stream):
            for packet in _packets(path, container, stream):
                n_packets += packet.size > 0
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


@contextmanager
def open_video(path: Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open `path` and choose the stream that a player would show: never a cover picture.

    Raises VideoError when there is no such file, it may not be read, it holds no video, or
    nothing here can decode it. Pictures of more than MOST_PIXELS cannot be decoded.
    """
    _check_file(path)
    try:
        # "file:" keeps FFmpeg from reading a colon or a % in the name as a protocol or a pattern.
        # Opening decodes the first pictures; the limit is for what their own headers say.
        limits: Any = [dict(_LIMIT)] * _MOST_STREAMS  # PyAV's stub says that these are texts
        container = av.open(f"file:{path}", metadata_errors="replace", stream_options=limits)
    except (av.FFmpegError, ValueError) as error:
        raise VideoError(
            f"{path} cannot be read as a video: it is damaged, cut short, or not a video at all"
        ) from error
    with container:
        yield container, _choose_stream(path, container)


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
    except av.FFmpegError as error:
        raise VideoError(f"{path} is damaged: {error.strerror}") from error


def _choose_stream(path: Path, container: InputContainer) -> VideoStream:
    videos = [stream for stream in container.streams.video if not stream.disposition & _STILL]
    if not videos or container.format.name == "tty":  # FFmpeg films the text of a .txt file
        raise VideoError(f"{path} has no video in it")
    best = container.streams.best("video")
    stream = next((video for video in videos if video == best), videos[0])
    if stream.codec_context is None:
        raise VideoError(f"{path} is compressed in a way that cannot be decoded here")
    stream.codec_context.options = dict(_LIMIT)
    return stream


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise VideoError(f"{path} is a folder, not a video file")
        if not stat.S_ISREG(status.st_mode):
            raise VideoError(f"{path} is not a regular file")
        with path.open("rb"):
            pass
    except (FileNotFoundError, NotADirectoryError) as error:
        raise VideoError(f"{path} does not exist") from error
    except PermissionError as error:
        raise VideoError(f"{path} may not be read: permission denied") from error
    except (OSError, ValueError) as error:
        raise VideoError(f"{path} cannot be read: {error}") from error
    if status.st_size == 0:
        raise VideoError(f"{path} is empty")
