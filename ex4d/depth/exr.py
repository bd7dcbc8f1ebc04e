"""Depth in OpenEXR files, as Blender, Nuke and others write it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import OpenEXR

from ex4d.budget import COMMAND_LINE, Budget
from ex4d.depth.exr_layers import DepthChannels, LayerError, depth_channels, window_size
from ex4d.depth.exr_parts import read_parts, single_part
from ex4d.depth.picture import DepthPicture
from ex4d.errors import DepthError
from ex4d.outputs import atomic_path

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_exr", "write_exr"]

_BLOCK_LINES = 256  # that are packed together at most, by DWAB
_DTYPES = {0: np.uint32, 1: np.float16, 2: np.float32}  # as the file numbers them
_MOST_ASPECT = 100.0  # of a pixel; anything else is nonsense
_UNSUPPORTED = (OpenEXR.deepscanline, OpenEXR.deeptile)


def read_exr(path: Path, layer: str | None = None, budget: Budget = COMMAND_LINE) -> DepthPicture:
    """Read the depth of one file: float16, float32 or uint32 [H, W] of its display window, NaN (0
    in whole numbers) outside the data window; of a proxy, its data window. No other channel is
    unpacked.

    `layer` names what is taken, else the rule of `ex4d.depth.exr_layers` chooses. Raises
    DepthError, also for a picture that is larger than the budget has.
    """
    try:
        # Opened here, and written to memory: the library takes only names that are UTF-8.
        with path.open("rb") as stream, OpenEXR.File(stream, header_only=True) as file:
            headers = [dict(part.header) for part in file.parts]
        chosen = depth_channels(headers, layer)
        header = headers[chosen.part]
        _check_header(path, header, budget)
        pixels = _pixels(path, chosen, header)
    except LayerError as error:
        raise DepthError(f"{path}: {error}") from None
    except (RuntimeError, ValueError, OSError, TypeError, LookupError) as error:
        if not path.is_file():
            raise DepthError(f"there is no file {path}") from None
        reason = str(error).strip().rpartition("\n")[2][:200]
        raise DepthError(f"{path} is not a readable EXR file ({reason})") from None
    values = np.array(pixels) if chosen.is_proxy else _in_display_window(header, pixels)
    aspect = float(header.get("pixelAspectRatio", 1))
    is_possible = 1 / _MOST_ASPECT <= aspect <= _MOST_ASPECT
    return DepthPicture(values, chosen.said, chosen.of_several, aspect if is_possible else 1.0)


def _pixels(path: Path, chosen: DepthChannels, header: dict[str, Any]) -> np.ndarray:
    """The numbers of the chosen channel in its data window. Raises DepthError, ValueError,
    OSError."""
    with path.open("rb") as file:
        part = read_parts(file)[chosen.part]
        kinds = [part.channels[name] for name in chosen.names]
        alone = single_part(file, chosen.part)
        for name, (kind, *sampling) in zip(chosen.names, kinds, strict=True):
            if kind not in _DTYPES or sampling != [1, 1]:
                raise ValueError(f"its channel {name} has no number for each pixel")
        file.seek(0)
        picture = OpenEXR.InputFile(file if alone is None else alone)
        try:
            width, height = window_size(header["dataWindow"])
            first, *others = (
                np.frombuffer(picture.channel(name), _DTYPES[kind]).reshape(height, width)
                for name, (kind, _, _) in zip(chosen.names, kinds, strict=True)
            )
        except OSError as error:  # the library prints why
            raise DepthError(f"{path} is damaged: its pixels cannot be read") from error
        finally:
            picture.close()
    if not all(np.array_equal(first, other, equal_nan=True) for other in others):
        names = ", ".join(chosen.names)
        raise DepthError(f"{path} is a coloured picture: {names} differ; depth has one channel")
    return first


def write_exr(path: Path, depth: np.ndarray) -> None:
    """Write z-depth float32 [H, W] as the channel Z. Raises OutputError."""
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    written = io.BytesIO()
    with atomic_path(path) as temporary, OpenEXR.File(header, {"Z": depth}) as file:
        file.write(written)
        temporary.write_bytes(written.getbuffer())


def _check_header(path: Path, header: dict[str, Any], budget: Budget) -> None:
    """Refuse deep pictures and bombs, before any pixel is read."""
    if header.get("type") in _UNSUPPORTED:
        raise DepthError(f"{path} is a deep picture; write it flat, with one depth a pixel")
    for window in (header["dataWindow"], header["displayWindow"]):
        width, height = window_size(window)
        if min(width, height) < 1 or width * height > budget.picture_pixels:
            most = budget.picture_pixels
            raise DepthError(f"{path} has {width}x{height} pixels; {most} are the most")
    width, height = window_size(header["dataWindow"])
    tiles = header.get("tiles")
    block = (width, min(height, _BLOCK_LINES)) if tiles is None else (tiles.xSize, tiles.ySize)
    n_bytes = block[0] * block[1] * len(header["channels"]) * 4  # of all channels: unpacked at once
    if n_bytes > budget.array_bytes:
        raise DepthError(f"{path} has blocks of {n_bytes} bytes; {budget.array_bytes} are the most")


def _in_display_window(header: dict[str, Any], pixels: np.ndarray) -> np.ndarray:
    """Put the data window's pixels where they belong in the whole picture."""
    width, height = window_size(header["displayWindow"])
    offset = header["dataWindow"][0] - header["displayWindow"][0]
    left, top = (int(side) for side in offset)
    if (left, top) == (0, 0) and pixels.shape == (height, width):
        return np.array(pixels)
    empty = np.nan if pixels.dtype.kind == "f" else 0
    picture = np.full((height, width), empty, pixels.dtype)
    first = max(0, top), max(0, left)
    last = min(height, top + pixels.shape[0]), min(width, left + pixels.shape[1])
    if first[0] < last[0] and first[1] < last[1]:
        rows, columns = slice(first[0] - top, last[0] - top), slice(first[1] - left, last[1] - left)
        picture[first[0] : last[0], first[1] : last[1]] = pixels[rows, columns]
    return picture
