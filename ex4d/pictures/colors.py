"""One picture of a sequence as a screen shows it, and such pictures written.

Whole numbers are taken for sRGB code values, 16 bits rounded to 8; floats, of EXR and TIFF, for
scene-linear values of the screen's primaries, shown through the sRGB curve: below 0 is black, above
1 white.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ex4d.files.outputs import atomic_path
from ex4d.pictures.claims import PictureError
from ex4d.pictures.dpx import dpx_rate
from ex4d.pictures.exr import (
    in_display_window,
    pixel_aspect_of,
    read_channels,
    read_headers,
    reading_exr,
    write_channels,
)
from ex4d.pictures.exr_colors import colour_channels
from ex4d.pictures.exr_parts import read_parts
from ex4d.pictures.stored_values import read_stored

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ex4d.files.budget import Budget

__all__ = ["WRITTEN", "ColourPicture", "read_colour", "write_colour"]

WRITTEN = (".png", ".exr")
_MOST_16 = 65535
_FASTEST = 1000
_LINEAR = "scene-linear values, shown through the sRGB curve"


@dataclass(frozen=True, eq=False)
class ColourPicture:
    """A picture, and what is to be said of it."""

    pixels: NDArray[np.uint8]  # [H, W, 3], sRGB
    said: tuple[str, ...] = ()  # how it was read, where that is not plain
    pixel_aspect: float = 1.0  # width over height of a pixel
    rate: Fraction | None = None  # frames a second, where the file tells


def read_colour(path: Path, layer: str | None, budget: Budget) -> ColourPicture:
    """Read a PNG, JPEG, TIFF, DPX or EXR picture; alpha is ignored. `layer` names what is taken of
    an EXR file, else the rule of `ex4d.pictures.exr_colors` chooses.

    Raises PictureError, also for a picture that is larger than the budget has.
    """
    if path.suffix.lower() == ".exr":
        return _read_exr(path, layer, budget)
    picture = read_stored(path, budget, ("PNG", "JPEG", "TIFF", "DPX"))
    said = [picture.said] if picture.said else []
    values = picture.values
    if values.dtype.kind == "f":
        said.append(_LINEAR)
    rate = None
    if picture.kind == "DPX":
        with path.open("rb") as file:
            rate = dpx_rate(np.frombuffer(file.read(2048), np.uint8))
    return ColourPicture(_three(path, _shown(path, values)), tuple(said), rate=rate)


def write_colour(path: Path, picture: NDArray[np.uint8]) -> None:
    """Write sRGB [H, W, 3] as a PNG of 16 bits, or scene-linear as an EXR of half floats, by the
    suffix; `read_colour` gives the same bytes back. Raises OutputError."""
    if path.suffix.lower() == ".exr":
        write_channels(path, {"RGB": _light_table()[picture]})
        return
    wide = picture[..., ::-1].astype(np.uint16) * np.uint16(257)
    done, encoded = cv2.imencode(".png", wide, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    if not done:
        raise AssertionError(path)
    with atomic_path(path) as temporary:
        temporary.write_bytes(encoded.tobytes())


def _read_exr(path: Path, layer: str | None, budget: Budget) -> ColourPicture:
    with reading_exr(path):
        headers = read_headers(path)
        chosen = colour_channels(headers, layer)
        header = headers[chosen.part]
        channels = read_channels(path, header, chosen.part, chosen.names, budget)
        with path.open("rb") as file:
            rate = read_parts(file)[chosen.part].rate
    if not chosen.is_proxy:
        channels = [in_display_window(header, channel, 0) for channel in channels]
    said = [_LINEAR] if channels[0].dtype.kind == "f" else []
    if chosen.of_several:
        said.append(chosen.said)
    pixels = np.stack([_shown(path, channel) for channel in channels], axis=-1)
    told = Fraction(*rate) if rate and 0 < rate[0] <= _FASTEST * rate[1] else None
    return ColourPicture(_three(path, pixels), tuple(said), pixel_aspect_of(header), told)


def _shown(path: Path, values: np.ndarray) -> np.ndarray:
    """Numbers of any picture as 8 bits of sRGB."""
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.uint16:
        wide = values.astype(np.uint32)
        return np.asarray((wide * 255 + _MOST_16 // 2) // _MOST_16).astype(np.uint8)
    if values.dtype == np.float16:
        return np.asarray(_half_table()[np.ascontiguousarray(values).view(np.uint16)])
    if values.dtype.kind == "f":
        return _curve(values)
    raise PictureError(f"{path} has pixels of {values.dtype}; 8 and 16 bits and floats are read")


def _three(path: Path, pixels: np.ndarray) -> np.ndarray:
    """Red, green and blue of a picture [H, W] or [H, W, C]."""
    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.shape[2] > 4:
        raise PictureError(f"{path} has {pixels.shape[2]} channels; at most 4 are a picture")
    if pixels.shape[2] < 3:  # grey, with or without alpha
        return np.repeat(pixels[..., :1], 3, axis=2)
    return np.ascontiguousarray(pixels[..., :3])


def _curve(light: np.ndarray) -> NDArray[np.uint8]:
    """Scene-linear values by the sRGB curve; NaN is black."""
    known = np.nan_to_num(light.astype(np.float32), nan=0.0, posinf=1.0, neginf=0.0).clip(0, 1)
    shown = np.where(known <= 0.0031308, 12.92 * known, 1.055 * known ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * shown).astype(np.uint8))


@cache
def _half_table() -> NDArray[np.uint8]:
    """What is shown for each half float, by its bits."""
    return _curve(np.arange(1 << 16, dtype=np.uint16).view(np.float16))


@cache
def _light_table() -> NDArray[np.float16]:
    """The scene-linear value of each code."""
    code = np.arange(256) / 255
    light = np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)
    return np.asarray(light, np.float16)
