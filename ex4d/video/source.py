"""What lies in an opened video: its decoded frames, and what it says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import av

from ex4d.containers.quicktime import read_header
from ex4d.errors import VideoError
from ex4d.video.opening import open_video
from ex4d.video.picture import Display
from ex4d.video.timing import declared_rate, packets_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

__all__ = ["VideoInfo", "coded_as", "decoded_frames", "probe", "shown_part"]


@dataclass(frozen=True)
class VideoInfo:
    """What a video file declares about itself."""

    native_size: tuple[int, int]  # (W, H) as displayed
    fps: Fraction
    n_frames: int | None  # None when only counting would tell
    codec: str
    pixel_format: str


def decoded_frames(
    path: Path, container: InputContainer, stream: VideoStream
) -> Iterator[VideoFrame]:
    """Decode frame by frame in the order of display.

    Raises VideoError at a frame that cannot be decoded. Packets before the first good frame may
    fail: a recording that starts between two key frames does.
    """
    stream.thread_type = "AUTO"
    n_decoded = 0
    for packet in packets_of(path, container, stream):
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


def coded_as(stream: VideoStream) -> str:
    """The codec by whose rules pictures are read: of bare ones, the container that describes
    them."""
    container = stream.container.format.name
    return container if container == "yuv4mpegpipe" else stream.codec_context.name


def shown_part(
    path: Path, stream: VideoStream, size: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """Left, top, width and height of what is to be shown of a stored picture of `size` (W, H), by
    an mp4's or mov's clean aperture; None for all of it."""
    with path.open("rb", buffering=0) as file:
        header = read_header(file)
    aperture = header.apertures.get(stream.id) if header else None
    return aperture.within(size) if aperture else None


def probe(path: str | Path) -> VideoInfo:
    """Describe a video file at the cost of decoding one frame. Raises VideoError."""
    path = Path(path)
    with open_video(path) as (container, stream):
        frame = next(decoded_frames(path, container, stream), None)
        if frame is None:
            raise VideoError(f"{path} has no frames")
        crop = shown_part(path, stream, (frame.width, frame.height))
        return VideoInfo(
            native_size=Display.of(frame, stream.sample_aspect_ratio, crop).size,
            fps=declared_rate(stream),
            n_frames=stream.frames or None,
            codec=stream.codec_context.name,
            pixel_format=frame.format.name,
        )
