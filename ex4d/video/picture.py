"""A decoded frame as the picture that a player shows: RGB, upright, square pixels."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange

from ex4d.errors import VideoError
from ex4d.video.coding import coding_of
from ex4d.video.conversion import EXACT, ToRgb
from ex4d.video.tone import tone_mapped

if TYPE_CHECKING:
    from pathlib import Path

    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

    from ex4d.video.coding import Coding

__all__ = ["Display", "Painter", "resized"]


@dataclass(frozen=True)
class Display:
    """How a stored picture is turned and stretched to be shown."""

    stored_size: tuple[int, int]  # (W, H)
    pixel_aspect: Fraction = Fraction(1)  # a stored pixel's width over its height
    transposed: bool = False  # rows become columns; the two flips come after it
    mirrored: bool = False  # left and right change places
    flipped: bool = False  # top and bottom change places
    crop: tuple[int, int, int, int] | None = None  # left, top, W, H of what is shown of it

    @classmethod
    def of(
        cls,
        frame: VideoFrame,
        pixel_aspect: Fraction | None,
        crop: tuple[int, int, int, int] | None = None,
    ) -> Display:
        """Read the display matrix of `frame`; an angle between is taken to the nearest 90."""
        if not pixel_aspect or not Fraction(1, 16) < pixel_aspect < 16:
            pixel_aspect = Fraction(1)
        side_data: Any = frame.side_data.get("DISPLAYMATRIX")
        size = (frame.width, frame.height)
        if side_data is None:
            return cls(size, pixel_aspect, crop=crop)
        # ISO 14496-12: x' = a x + c y and y' = b x + d y
        a, b, _, c, d = np.frombuffer(bytes(side_data), np.int32)[:5].tolist()
        if abs(b) + abs(c) > abs(a) + abs(d):
            return cls(size, pixel_aspect, True, mirrored=c < 0, flipped=b < 0, crop=crop)
        return cls(size, pixel_aspect, mirrored=a < 0, flipped=d < 0, crop=crop)

    def cropped(self, picture: NDArray[Any]) -> NDArray[Any]:
        """The part of a stored picture [H, W, ...] that is shown."""
        left, top, width, height = self.crop or (0, 0, *self.stored_size)
        if self.crop is None or picture.shape[:2] != self.stored_size[::-1]:
            return picture
        return np.ascontiguousarray(picture[top : top + height, left : left + width])

    def turned(self, picture: NDArray[Any]) -> NDArray[Any]:
        """A stored picture [H, W, ...] upright."""
        if self.transposed:
            picture = picture.swapaxes(0, 1)
        if self.mirrored:
            picture = picture[:, ::-1]
        return picture[::-1] if self.flipped else picture

    @property
    def is_turned(self) -> bool:
        """Whether it is shown otherwise than stored: some programs show it as it is stored."""
        return self.transposed or self.mirrored or self.flipped

    @property
    def size(self) -> tuple[int, int]:
        """(W, H) as displayed."""
        width, height = self.crop[2:] if self.crop else self.stored_size
        width = max(1, round(width * self.pixel_aspect))
        return (height, width) if self.transposed else (width, height)


class Painter:
    """Makes the pictures that a player shows of one stream's frames."""

    def __init__(self, path: Path, codec: str, display: Display, hdr: str) -> None:
        self._path = path
        self._to_rgb = ToRgb(codec)
        self._display = display
        self._maps_tones = hdr != "keep"

    def paint(
        self,
        frame: VideoFrame,
        size: tuple[int, int],  # (W, H), as displayed
    ) -> NDArray[np.uint8]:  # [H, W, 3]
        """Convert `frame` to sRGB by its own matrix, range and transfer curve, crop, scale and turn
        it upright: areas are averaged where it gets smaller, cubic where it gets larger. Alpha is
        ignored. Raises VideoError as `coding_of` does."""
        coding = coding_of(self._path, frame)
        maps_tones = coding.is_hdr and self._maps_tones
        display = self._display
        picture = display.cropped(self._rgb(frame, coding, "rgb48le" if maps_tones else "rgb24"))
        picture = resized(picture, (size[1], size[0]) if display.transposed else size)
        if maps_tones:
            picture = tone_mapped(picture, coding.transfer)
        return display.turned(picture)

    def _rgb(self, frame: VideoFrame, coding: Coding, format: str) -> NDArray[Any]:
        name = frame.format.name
        try:
            return (_grey if name.startswith("gray") else self._to_rgb)(frame, coding, format)
        except MemoryError:
            raise
        except av.FFmpegError as error:
            raise VideoError(
                f"{self._path} has pictures of a kind that is not read: {name}"
            ) from error


def _grey(frame: VideoFrame, coding: Coding, format: str) -> NDArray[Any]:
    """Stretch 16..235 to 0..255 where that is the range: swscale takes every grey picture for full
    range."""
    rgb: NDArray[Any] = frame.to_ndarray(format=format, interpolation=EXACT)
    if coding.is_full or frame.color_range != ColorRange.MPEG:
        return rgb
    most = np.iinfo(rgb.dtype).max
    levels = (np.arange(most + 1) - 16 / 255 * most) * (255 / 219)
    table = np.clip(np.rint(levels), 0, most).astype(rgb.dtype)
    stretched: NDArray[Any] = table[rgb]
    return stretched


def resized(picture: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """A picture [H, W, ...] at `size` (W, H): areas are averaged where it gets smaller, cubic where
    it gets larger."""
    height, width = picture.shape[:2]
    smaller = (min(size[0], width), min(size[1], height))
    if smaller != (width, height):
        picture = cv2.resize(picture, smaller, interpolation=cv2.INTER_AREA)
    if smaller != size:
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)
    return picture
