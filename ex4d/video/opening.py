"""A video file opened for reading. The one place where FFmpeg opens a file that was given."""

from __future__ import annotations

import stat
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

import av
from av.stream import Disposition

from ex4d.containers.quicktime import read_header
from ex4d.errors import VideoError
from ex4d.files.budget import COMMAND_LINE, Budget
from ex4d.runtime.lack_of_memory import has_room
from ex4d.video.formats import FORMATS, what_it_is

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = ["open_video"]

_STILL = Disposition.attached_pic | Disposition.timed_thumbnails  # cover art
_MOST_STREAMS = 64  # that are probed with the limit
_START_BYTES = 1 << 16  # that tell what a file is instead of a video
_MOST_HEADER_BYTES = 64 << 20  # of a mov file's compressed header
# Decoders that may look into a file whose streams are not known when it is opened: no limit of
# pixels can be given to them then, and theirs is 2^28. Others would take more for one picture.
_PROBED = (
    *("h264", "hevc", "vvc", "mpeg2video", "mpeg1video", "mpegvideo", "mpeg4", "h261", "h263"),
    *("h263p", "flv", "vp6f", "vp6a", "vp8", "vp9", "libdav1d", "av1", "vc1", "wmv1", "wmv2"),
    *("wmv3", "rv10", "rv20", "rv30", "rv40", "dvvideo", "cavs", "theora", "mjpeg"),
    *("aac", "aac_latm", "ac3", "eac3", "dca", "mp3float", "mp3", "mp2float", "mp2", "mp1float"),
    *("vorbis", "opus", "flac", "truehd", "mlp", "pcm_s16le", "pcm_s16be", "pcm_bluray", "pcm_dvd"),
)


class _Source:
    """The bytes of a file without its name: nothing can be guessed from a suffix, no pattern or
    protocol read in it, and nothing found relative to it."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


@contextmanager
def open_video(
    path: Path, budget: Budget = COMMAND_LINE
) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open `path` and choose the stream that a player would show: never a cover picture.

    Only formats that hold their own pictures are opened (see `FORMATS`), and no other file or
    address, whatever `path` says in it. Raises VideoError when there is no such file, it may not be
    read, it is of another kind, it holds no video, or nothing here can decode it. Pictures of more
    pixels than the budget has cannot be decoded.
    """
    _check_file(path)
    with path.open("rb", buffering=0) as file:
        _check_header(path, file, budget)
        limit = {"max_pixels": str(budget.picture_pixels)}
        with _opened(path, file, limit) as container:
            yield container, _choose_stream(path, container, limit, budget)


def _opened(path: Path, file: BinaryIO, limit: dict[str, str]) -> InputContainer:
    """FFmpeg's own way into an open file. Raises VideoError."""

    def refuse(url: str, *_: Any) -> NoReturn:
        raise VideoError(f"{path} names other files; send the video itself")

    only = {"format_whitelist": ",".join(FORMATS), "protocol_whitelist": "none"}
    options: dict[str, Any] = {"metadata_errors": "replace", "io_open": refuse}
    try:
        try:
            # Opening decodes the first pictures; the limit is for what their own headers say.
            file.seek(0)
            limits: Any = [limit] * _MOST_STREAMS  # PyAV's stub says that these are texts
            return av.open(  # type: ignore[no-any-return]  # of its options
                _Source(file), container_options=only, stream_options=limits, **options
            )
        except ValueError as error:
            if isinstance(error, av.FFmpegError):
                raise
        # mpeg, mpegts and flv have no streams to limit yet
        file.seek(0)
        only["codec_whitelist"] = ",".join(_PROBED)
        return av.open(_Source(file), container_options=only, **options)  # type: ignore[no-any-return]
    except MemoryError as error:  # FFmpeg's own, too, which may be the file's fault
        if not has_room():
            raise
        raise VideoError(
            f"{path} is damaged: its header asks for more memory than any video's"
        ) from error
    except (av.FFmpegError, ValueError) as error:
        raise VideoError(_why_not(path, file)) from error


def _why_not(path: Path, file: BinaryIO) -> str:
    """The sentence for a file that FFmpeg did not open."""
    file.seek(0)
    what = what_it_is(file.read(_START_BYTES))
    if what is not None:
        return f"{path} is {what}"
    return f"{path} cannot be read as a video: it is damaged, cut short, or not a video at all"


def _check_header(path: Path, file: BinaryIO, budget: Budget) -> None:
    """Refuse a reference movie, and an index that a few bytes make larger than any memory."""
    header = read_header(file)
    if header is None:
        return
    if header.is_reference:
        raise VideoError(
            f"{path} is a reference movie whose pictures lie in other files; send the video itself"
        )
    if header.has_only_dolby_vision:
        raise VideoError(
            f"{path} is Dolby Vision alone, whose colours are not read here: convert it to HDR10, "
            "HLG or SDR"
        )
    if header.n_samples > budget.video_frames:
        raise VideoError(
            f"{path} says that it has {header.n_samples} frames; "
            f"at most {budget.video_frames} are read"
        )
    if header.compressed_bytes > _MOST_HEADER_BYTES:
        raise VideoError(
            f"{path} has a header of {header.compressed_bytes} bytes when unpacked; "
            f"at most {_MOST_HEADER_BYTES} are read"
        )


def _choose_stream(
    path: Path, container: InputContainer, limit: dict[str, str], budget: Budget
) -> VideoStream:
    videos = [stream for stream in container.streams.video if not stream.disposition & _STILL]
    if not videos:
        raise VideoError(f"{path} has no video in it")
    best = container.streams.best("video")
    stream = next((video for video in videos if video == best), videos[0])
    codec = stream.codec_context
    if codec is None:
        raise VideoError(f"{path} is compressed in a way that cannot be decoded here")
    if codec.width * codec.height > budget.picture_pixels:
        raise VideoError(
            f"{path} has pictures of {codec.width} x {codec.height}: "
            f"more than {budget.picture_pixels} pixels"
        )
    codec.options = dict(limit)
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
