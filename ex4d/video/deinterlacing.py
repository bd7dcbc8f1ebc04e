"""Interlaced frames, which hold two moments in alternate lines, made to show one moment each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av

from ex4d.errors import VideoError
from ex4d.video.coding import coding_of
from ex4d.video.conversion import linked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from av.filter import Graph
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

__all__ = ["deinterlaced", "unmarked_fields"]

_ORDERS = {2: "tff", 3: "bff", 4: "bff", 5: "tff"}  # AVFieldOrder, by which field is shown first
# decoders that mark each frame themselves
_MARKING = ("h264", "hevc", "vvc", "mpeg1video", "mpeg2video", "mpeg4", "vc1", "cavs", "prores")
_MARKING_TOO = ("dnxhd", "dvvideo", "mjpeg", "mjpegb", "rawvideo", "h263", "h261", "vp3", "theora")


def unmarked_fields(stream: VideoStream) -> str | None:
    """Which field is first, tff or bff, where the container alone says that frames have fields."""
    codec = stream.codec_context
    if codec.name in _MARKING or codec.name in _MARKING_TOO:
        return None
    return _ORDERS.get(int(codec.field_order))


def deinterlaced(
    path: Path, frames: Iterable[VideoFrame], order: str | None = None
) -> Iterator[VideoFrame]:
    """As many frames of `path`, each at the moment of its first field: FFmpeg's bwdif. Frames that
    are marked as progressive stay as they are, unless the first one is: then no mark is believed.
    `order`: which field is first, tff or bff, where the frames do not tell.

    Raises VideoError as `coding_of` does, and for pictures of two lines or less.
    """
    graph: Graph | None = None
    kind: tuple[object, ...] | None = None
    which = ""
    for frame in frames:
        which = which or ("interlaced" if frame.interlaced_frame else "all")
        coding = coding_of(path, frame)
        of_frame = (frame.width, frame.height, frame.format.name, coding.matrix, coding.is_full)
        if graph is None or of_frame != kind:
            if graph is not None:
                yield from _rest(graph)
            arguments = f"mode=send_frame:parity={order or 'auto'}:deint={which}"
            try:
                graph = linked(frame, coding.matrix, coding.is_full, ("bwdif", arguments))
            except av.FFmpegError as error:
                what = f"{frame.width}x{frame.height} {frame.format.name}"
                raise VideoError(
                    f"{path} has pictures that cannot be deinterlaced: {what}"
                ) from error
            kind = of_frame
        graph.vpush(frame)
        yield from _ready(graph)
    if graph is not None:
        yield from _rest(graph)


def _ready(graph: Graph) -> Iterator[VideoFrame]:
    try:
        while True:
            yield graph.vpull()
    except (av.BlockingIOError, av.EOFError):
        return


def _rest(graph: Graph) -> Iterator[VideoFrame]:
    graph.vpush(None)
    yield from _ready(graph)
