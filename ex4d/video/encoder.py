"""RGB pictures encoded to H.264 in an MP4 file, one after the other."""

from __future__ import annotations

import itertools
import math
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.video.reformatter import ColorRange

from ex4d.errors import OutputError, UsageError
from ex4d.files.outputs import atomic_path
from ex4d.video.conversion import FromRgb

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from av.container import OutputContainer
    from av.video.stream import VideoStream
    from numpy.typing import NDArray

__all__ = ["METADATA_TAGS", "Quality", "check_rate", "encode"]

# What every tool shows of an mp4; the container drops other names silently.
METADATA_TAGS = ("title", "artist", "comment", "copyright", "date", "description", "genre")
_CONTAINERS = {".mp4": "mp4", ".mov": "mov"}
_BT709 = 1  # the same number in H.264's tables of primaries, transfer curves and matrices
# x264's bytes depend on its number of threads, and slices on the number of cores
_THREADS = 4
_FASTEST = 10_000  # frames per second


@dataclass(frozen=True)
class Quality:
    """How much of a picture is kept."""

    options: dict[str, str]  # x264's
    full_chroma: bool  # 4:4:4; a picture with an odd side always has it


def encode(
    path: Path,
    pictures: Iterable[NDArray[Any]],  # [H, W, 3] uint8 each, sRGB
    fps: Fraction | float,
    quality: Quality,
    metadata: dict[str, str] | None,
) -> None:
    """Write `pictures` to `path`: bt709, limited range, tagged so, the index at the front.
    The file appears when it is complete. Equal pictures are meant to give equal bytes; of small
    clips at the quality of `write_video` one in a hundred to one in two thousand was seen to
    differ by a few levels, on a busy processor with AVX-512 and never with `asm=avx2`.

    Raises UsageError for no pictures, pictures of another shape or type than the first [H, W, 3]
    uint8, a rate that is not positive, a name not ending in .mp4 or .mov, or an unknown metadata
    tag; OutputError when the file cannot be written.
    """
    rate = check_rate(fps)
    container_format = _CONTAINERS.get(path.suffix.lower())
    if container_format is None:
        raise UsageError(f"{path} must end in .mp4 or .mov")
    unknown = sorted(set(metadata or ()) - set(METADATA_TAGS))
    if unknown:
        raise UsageError(f"metadata {unknown[0]} is not one of {', '.join(METADATA_TAGS)}")
    with atomic_path(path) as temporary:
        checked = _checked(path, pictures)
        first = next(checked, None)
        if first is None:
            raise UsageError(f"there are no frames to write to {path}")
        with _as_os_error(path):
            container = av.open(
                f"file:{temporary}",
                "w",
                format=container_format,
                container_options={"movflags": "+faststart"},
            )
        container.metadata.update(metadata or {})
        stream = _add_stream(container, first, rate, quality)
        _encode_all(path, container, stream, rate, itertools.chain([first], checked))


def _add_stream(
    container: OutputContainer, first: NDArray[Any], rate: Fraction, quality: Quality
) -> VideoStream:
    stream = container.add_stream("libx264", rate=rate, options=quality.options)
    stream.height, stream.width = first.shape[:2]
    is_odd = stream.width % 2 or stream.height % 2
    stream.pix_fmt = "yuv444p" if quality.full_chroma or is_odd else "yuv420p"
    stream.thread_type = "FRAME"
    stream.thread_count = _THREADS
    stream.colorspace = stream.color_primaries = stream.color_trc = _BT709
    stream.color_range = ColorRange.MPEG
    return stream


def _encode_all(
    path: Path,
    container: OutputContainer,
    stream: VideoStream,
    rate: Fraction,
    pictures: Iterator[NDArray[Any]],
) -> None:
    convert = FromRgb(str(stream.pix_fmt), rate)
    try:
        for picture in pictures:
            frame = convert(picture)
            with _as_os_error(path):
                container.mux(stream.encode(frame))
        with _as_os_error(path):
            container.mux(stream.encode())
            container.close()
    except BaseException:
        with suppress(av.FFmpegError):
            container.close()
        raise


def _checked(path: Path, pictures: Iterable[NDArray[Any]]) -> Iterator[NDArray[np.uint8]]:
    expected: tuple[int, ...] | None = None
    for index, picture in enumerate(pictures):
        shape = picture.shape
        is_picture = len(shape) == 3 and shape[2] == 3 and min(shape) > 0
        if picture.dtype != np.uint8 or not is_picture or shape != (expected or shape):
            wanted = list(expected) if expected else "[H, W, 3]"
            given = f"{list(shape)} {picture.dtype}"
            raise UsageError(f"frame {index} for {path} is {given}; it must be {wanted} uint8")
        expected = shape
        yield np.ascontiguousarray(picture)


def check_rate(fps: Fraction | float) -> Fraction:
    """The rate of a file that is written for `fps`. Raises UsageError if no file can have it."""
    rate = Fraction(fps).limit_denominator(65535) if math.isfinite(fps) else Fraction(0)
    if not 0 < rate <= _FASTEST:
        raise UsageError(f"the frame rate is {fps}; it must be above 0 and at most {_FASTEST}")
    return rate


@contextmanager
def _as_os_error(path: Path) -> Iterator[None]:
    """Turn what FFmpeg reports about the disk into an OSError, the rest into an OutputError."""
    try:
        yield
    except OSError as error:  # those of PyAV name the file in FFmpeg's way
        raise OSError(error.errno, error.strerror) from error
    except av.FFmpegError as error:
        raise OutputError(f"{path} cannot be encoded: {error.strerror}") from error
