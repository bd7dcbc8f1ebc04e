"""How a frame's numbers stand for colours: its matrix, range, siting of chroma and transfer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from av.video.reformatter import ColorPrimaries, ColorRange, ColorTrc

from ex4d.errors import VideoError

if TYPE_CHECKING:
    from pathlib import Path

    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

__all__ = ["Coding", "ContainerTags", "Transfer", "coding_of"]

# AVColorSpace, as H.273's table of matrix coefficients numbers it, to FFmpeg's names
_MATRICES = {
    1: "bt709",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    9: "bt2020nc",
}
_RGB, _UNTAGGED, _RESERVED = 0, 2, 3  # a YUV picture cannot be the first: its tag means nothing
_BY_PRIMARIES = 12  # coefficients that follow from the primaries
_OF_PRIMARIES = {int(ColorPrimaries.BT709): "bt709", int(ColorPrimaries.BT2020): "bt2020nc"}
_UNKNOWN_MATRICES = {
    8: "YCgCo",
    10: "BT.2020 with constant luminance",
    11: "SMPTE 2085 (Y'D'zD'x)",
    12: "a matrix of its own primaries",
    13: "a matrix of its own primaries with constant luminance",
    14: "ICtCp",
    15: "IPT-C2",
    16: "YCgCo-R",
    17: "YCgCo-R",
}
# mpv's rule (libplacebo's pl_color_system_guess_ycbcr), by the stored size; VLC and ffplay agree
# above 576 lines
_HD_WIDTH, _SD_HEIGHT = 1280, 576


class Transfer(Enum):
    """How code values stand for light."""

    SDR = "SDR"  # shown as they are: sRGB, BT.709 and their like
    PQ = "HDR (PQ)"
    HLG = "HDR (HLG)"


_HDR = {int(ColorTrc.SMPTE2084): Transfer.PQ, int(ColorTrc.ARIB_STD_B67): Transfer.HLG}


@dataclass(frozen=True)
class Coding:
    """What the tags of a frame say, and what players take for granted where they are silent."""

    matrix: str  # as FFmpeg names it; "unknown" for RGB and grey, which have none
    is_full: bool  # 0..255, not 16..235
    transfer: Transfer = Transfer.SDR
    is_mistagged: bool = False  # its matrix is tagged as one that it cannot have

    @property
    def is_hdr(self) -> bool:
        """Whether white is not the brightest that the picture shows."""
        return self.transfer is not Transfer.SDR


@dataclass(frozen=True)
class ContainerTags:
    """What a container says of its pictures' colours; a decoder forgets it where the stream has
    tags of its own that say nothing, as in ProRes."""

    matrix: int
    primaries: int
    transfer: int
    range: int

    @classmethod
    def of(cls, stream: VideoStream) -> ContainerTags:
        """Read them, before anything is decoded."""
        codec = stream.codec_context
        return cls(codec.colorspace, codec.color_primaries, codec.color_trc, codec.color_range)

    def complete(self, frame: VideoFrame) -> None:
        """Tag what is untagged."""
        if frame.colorspace == _UNTAGGED:
            frame.colorspace = self.matrix
        if frame.color_primaries == _UNTAGGED:
            frame.color_primaries = self.primaries
        if frame.color_trc == _UNTAGGED:
            frame.color_trc = self.transfer
        if frame.color_range == ColorRange.UNSPECIFIED:
            frame.color_range = self.range


def coding_of(path: Path, frame: VideoFrame) -> Coding:
    """Read the tags of a `frame` of `path`. Raises VideoError for colours that there is no rule for
    here: shown by another one they would be wrong."""
    name = frame.format.name
    is_full = frame.color_range == ColorRange.JPEG or name.startswith("yuvj")
    transfer = _HDR.get(frame.color_trc, Transfer.SDR)
    if not _has_chroma(frame):
        return Coding("unknown", is_full, transfer)
    is_mistagged = frame.colorspace in (_RGB, _RESERVED)
    return Coding(_matrix(path, frame), is_full, transfer, is_mistagged)


def _has_chroma(frame: VideoFrame) -> bool:
    pixels = frame.format
    return len(pixels.components) >= 3 and not pixels.is_rgb and not pixels.name.startswith("xyz")


def _matrix(path: Path, frame: VideoFrame) -> str:
    number = frame.colorspace
    if number == _BY_PRIMARIES and frame.color_primaries in _OF_PRIMARIES:
        return _OF_PRIMARIES[frame.color_primaries]
    if number in (_RGB, _UNTAGGED, _RESERVED):
        is_hd = frame.width >= _HD_WIDTH or frame.height > _SD_HEIGHT
        return "bt709" if is_hd else "smpte170m"
    if number not in _MATRICES:
        what = _UNKNOWN_MATRICES.get(number, f"matrix {number} of H.273")
        raise VideoError(
            f"the colours of {path} are coded as {what}, which is not read here: convert it to "
            "BT.709, BT.601 or BT.2020"
        )
    return _MATRICES[number]
