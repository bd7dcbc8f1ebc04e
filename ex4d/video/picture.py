"""A decoded frame as the picture that a player shows: RGB, upright, square pixels."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

__all__ = ["EXACT", "Display", "show", "to_rgb"]

# Without these flags swscale takes short cuts that cost up to 2 levels and half a chroma pixel.
EXACT = int(
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.BITEXACT
)

# AVColorSpace, as H.264's table of matrix coefficients numbers it, to swscale's own numbers
_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
_HD_HEIGHT = 720  # players take an untagged picture of this height for bt709, a lower one for bt601


@dataclass(frozen=True)
class Display:
    """How a stored picture is turned and stretched to be shown."""

    stored_size: tuple[int, int]  # (W, H)
    pixel_aspect: Fraction = Fraction(1)  # a stored pixel's width over its height
    transposed: bool = False  # rows become columns; the two flips come after it
    mirrored: bool = False  # left and right change places
    flipped: bool = False  # top and bottom change places

    @classmethod
    def of(cls, frame: VideoFrame, pixel_aspect: Fraction | None) -> Display:
        """Read the display matrix of `frame`; an angle between is taken to the nearest 90."""
        if not pixel_aspect or not Fraction(1, 16) < pixel_aspect < 16:
            pixel_aspect = Fraction(1)
        side_data: Any = frame.side_data.get("DISPLAYMATRIX")
        size = (frame.width, frame.height)
        if side_data is None:
            return cls(size, pixel_aspect)
        # ISO 14496-12: x' = a x + c y and y' = b x + d y
        a, b, _, c, d = np.frombuffer(bytes(side_data), np.int32)[:5].tolist()
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(size, pixel_aspect, transposed=True, mirrored=c < 0, flipped=b < 0)
        return cls(size, pixel_aspect, mirrored=a < 0, flipped=d < 0)

    @property
    def size(self) -> tuple[int, int]:
        """(W, H) as displayed."""
        width, height = self.stored_size
        width = max(1, round(width * self.pixel_aspect))
        return (height, width) if self.transposed else (width, height)


def show(
    picture: NDArray[np.uint8],  # [H, W, 3], as stored
    display: Display,
    size: tuple[int, int],  # (W, H), as displayed
) -> NDArray[np.uint8]:  # [H, W, 3]
    """Scale `picture` to `size` and turn it upright: areas are averaged where it gets smaller,
    cubic where it gets larger."""
    picture = _resized(picture, (size[1], size[0]) if display.transposed else size)
    if display.transposed:
        picture = picture.transpose(1, 0, 2)
    if display.mirrored:
        picture = picture[:, ::-1]
    return picture[::-1] if display.flipped else picture


def to_rgb(frame: VideoFrame) -> NDArray[np.uint8]:  # [H, W, 3], as stored
    """Convert to sRGB by the frame's own matrix and range; alpha is ignored.

    Transfer curves are left alone: HDR looks flat, as it does in a player that cannot show it.
    """
    if frame.format.name.startswith("gray") and frame.color_range == ColorRange.MPEG:
        return _expanded_grey(frame)
    untagged = Colorspace.ITU709 if frame.height >= _HD_HEIGHT else Colorspace.ITU601
    is_full = frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj")
    rgb: NDArray[np.uint8] = frame.to_ndarray(  # type: ignore[assignment]  # rgb24 is uint8
        format="rgb24",
        src_colorspace=_MATRICES.get(frame.colorspace, untagged),
        src_color_range=ColorRange.JPEG if is_full else ColorRange.MPEG,
        interpolation=EXACT,
    )
    return rgb


def _expanded_grey(frame: VideoFrame) -> NDArray[np.uint8]:
    """Stretch 16..235 to 0..255: swscale takes every grey picture for full range."""
    levels = (np.arange(256) - 16) * (255 / 219)
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    luma: NDArray[np.uint8] = frame.to_ndarray(format="gray")  # type: ignore[assignment]
    return np.repeat(table[luma][..., None], 3, axis=2)


def _resized(picture: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    height, width = picture.shape[:2]
    smaller = (min(size[0], width), min(size[1], height))
    if smaller != (width, height):
        picture = cv2.resize(picture, smaller, interpolation=cv2.INTER_AREA)
    if smaller != size:
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
    return picture
