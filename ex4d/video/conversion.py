"""Pictures turned from one pixel format to another by FFmpeg's scaler, chroma at its right place.

H.264's chroma samples lie beside every second pixel, not between two: a program that takes one for
the other moves every coloured edge by half a pixel each time.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ex4d.video.coding import Coding

__all__ = ["EXACT", "FromRgb", "ToRgb", "linked"]

# Without these flags swscale takes short cuts that cost up to 2 levels and half a chroma pixel.
EXACT = int(
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BITEXACT
)
_EXACT = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact"
_SITES = ("left", "topleft", "top", "bottomleft", "bottom")
_LEFT = "left"  # H.264's, HEVC's and MPEG-2's when nothing is said
# Codecs whose chroma lies in the middle, and those that always say where, if it is 4:2:0; of them
# YUV4MPEG2 is a container of bare pictures.
_CENTRED = ("mjpeg", "mjpegb", "mpeg1video", "h261", "h263", "h263p", "flv", "theora", "vp3")
_TELLING = ("h264", "hevc", "mpeg2video", "mpeg4", "yuv4mpegpipe")
_PROBE_PX = 16
_UNSPECIFIED = 2  # of a transfer curve and of primaries


def linked(frame: VideoFrame, matrix: str, is_full: bool, *filters: tuple[str, str]) -> Graph:
    """A graph for frames like `frame` that ends in the given filters (name, arguments)."""
    graph = Graph()
    colors = f"colorspace={matrix}:range={'pc' if is_full else 'tv'}"
    size = f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
    source = graph.add("buffer", f"{size}:time_base=1/1000:{colors}")
    nodes = [graph.add(name, arguments) for name, arguments in filters]
    graph.link_nodes(source, *nodes, graph.add("buffersink")).configure()
    return graph


class ToRgb:
    """Turns the frames of one stream to RGB, whatever changes between them."""

    def __init__(self, codec: str) -> None:
        self._codec = codec
        self._key: tuple[object, ...] | None = None
        self._graph: Graph | None = None

    def __call__(
        self, frame: VideoFrame, coding: Coding, format: str
    ) -> NDArray[Any]:  # [H, W, 3], uint8 or uint16 as `format` has it
        """Convert by the frame's matrix, range and siting. `format` is rgb24 or rgb48le."""
        width, height = frame.width, frame.height
        key = (width, height, frame.format.name, coding.matrix, coding.is_full, format)
        _tag(frame, coding)
        even = _even(frame)
        if key != self._key:
            scale = f"{_EXACT}{self._siting(frame, coding)}"
            self._graph = linked(
                even, coding.matrix, coding.is_full, ("scale", scale), ("format", format)
            )
            self._key = key
        if even is not frame:
            _tag(even, coding)
        graph = cast("Graph", self._graph)
        graph.vpush(even)
        return graph.vpull().to_ndarray()[:height, :width]

    def _siting(self, frame: VideoFrame, coding: Coding) -> str:
        if coding.matrix == "unknown":
            return ""
        site = _said_siting(frame)
        if site is None:
            site = "center" if self._is_centred(frame, coding) else _LEFT
        return f":in_chroma_loc={site}"

    def _is_centred(self, frame: VideoFrame, coding: Coding) -> bool:
        """Where the chroma lies of a frame that says the middle, or nothing."""
        if self._codec in _TELLING:
            return frame.format.chroma_height(frame.height) < frame.height
        return self._codec in _CENTRED or coding.is_full  # mpv's rule


class FromRgb:
    """Turns RGB pictures of one size to `format`: bt709, limited range, chroma at the left. They
    follow each other at `rate`."""

    def __init__(self, format: str, rate: Fraction) -> None:
        self._format, self._frame_s, self._n_made = format, 1 / rate, 0
        self._graph: Graph | None = None

    def __call__(self, picture: NDArray[np.uint8]) -> VideoFrame:  # [H, W, 3]
        frame = VideoFrame.from_ndarray(picture, format="rgb24")
        if self._graph is None:
            to = f"{_EXACT}:out_color_matrix=bt709:out_range=tv:out_chroma_loc={_LEFT}"
            self._graph = linked(frame, "gbr", True, ("scale", to), ("format", self._format))
        self._graph.vpush(frame)
        made = self._graph.vpull()
        made.pts, made.time_base = self._n_made, self._frame_s
        self._n_made += 1
        return made


def _even(frame: VideoFrame) -> VideoFrame:
    """The frame, or one with a column and a row more where chroma has half a sample more than luma:
    swscale would squeeze all of it into the picture, half a pixel at its middle."""
    width, height, pixels = frame.width, frame.height, frame.format
    chroma = (pixels.chroma_width(width), pixels.chroma_height(height))
    has_more = 2 * chroma[0] == width + 1 or 2 * chroma[1] == height + 1
    if not pixels.is_planar or not has_more:
        return frame
    even = VideoFrame(width + width % 2, height + height % 2, pixels.name)
    for source, target in zip(frame.planes, even.planes, strict=True):
        rows = np.zeros((target.height, target.line_size), np.uint8)
        given = np.frombuffer(bytes(source), np.uint8).reshape(-1, source.line_size)[
            : source.height
        ]
        n_bytes = min(source.line_size, target.line_size)
        rows[: source.height, :n_bytes] = given[:, :n_bytes]
        target.update(rows.tobytes())
    return even


def _tag(frame: VideoFrame, coding: Coding) -> None:
    """Make the frame's tags those that the graph was made for: it must not convert anything else,
    and swscale refuses curves that it does not know, even to keep them."""
    if coding.matrix != "unknown":
        frame.colorspace = _NUMBERS[coding.matrix]
    frame.color_range = ColorRange.JPEG if coding.is_full else ColorRange.MPEG
    frame.color_trc = frame.color_primaries = _UNSPECIFIED


_NUMBERS = {"bt709": 1, "fcc": 4, "bt470bg": 5, "smpte170m": 6, "smpte240m": 7, "bt2020nc": 9}


def _said_siting(frame: VideoFrame) -> str | None:
    """Where the frame's chroma lies; None for the middle, or when it does not say.

    PyAV does not tell, but the tag goes with a frame that is scaled, and swscale heeds it: a small
    frame with a pattern shows by what becomes of it.
    """
    probe = frame.reformat(width=_PROBE_PX, height=_PROBE_PX, format="yuv420p")
    _fill(probe)
    shown = _as_shown(probe)
    return next((site for site in _SITES if np.array_equal(shown, _probe_shown(site))), None)


def _fill(probe: VideoFrame) -> None:
    for plane, slope in zip(probe.planes, (0, 5, 9), strict=True):
        rows, columns = np.mgrid[: plane.height, : plane.line_size]
        plane.update((60 + slope * rows + 2 * slope * columns).astype(np.uint8).tobytes())


def _as_shown(probe: VideoFrame) -> NDArray[Any]:
    return probe.to_ndarray(
        format="rgb24",
        src_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.MPEG,
        interpolation=EXACT,
    )


@cache
def _probe_shown(site: str) -> NDArray[Any]:
    """What the pattern becomes when its chroma lies at `site`."""
    probe = VideoFrame(_PROBE_PX, _PROBE_PX, "yuv420p")
    probe.pts, probe.time_base = 0, Fraction(1, 1000)
    _fill(probe)
    graph = linked(probe, "bt709", False, ("setparams", f"chroma_location={site}"))
    graph.vpush(probe)
    return _as_shown(graph.vpull())
