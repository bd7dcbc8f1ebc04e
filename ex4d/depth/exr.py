"""Depth in OpenEXR files, as Blender, Nuke and others write it."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import OpenEXR

from ex4d.budget import COMMAND_LINE, Budget
from ex4d.depth.exr_parts import read_parts, single_part
from ex4d.errors import DepthError
from ex4d.names import names_in_words
from ex4d.outputs import atomic_path

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_exr", "write_exr"]

_BLOCK_LINES = 256  # that are packed together at most, by DWAB
_DTYPES = {0: np.uint32, 1: np.float16, 2: np.float32}  # as the file numbers them
_NAMES = ("z", "depth", "distance")  # Blender: ViewLayer.Depth.Z (or .V); Nuke: depth.Z
_UNSUPPORTED = (OpenEXR.deepscanline, OpenEXR.deeptile)


def read_exr(path: Path, layer: str | None = None, budget: Budget = COMMAND_LINE) -> np.ndarray:
    """Read the depth of one file: float16, float32 or uint32 [H, W] of its display window, NaN (0
    in whole numbers) outside the data window. No other channel is unpacked.

    `layer` names a channel or the layer it is in, in any case. Without it the channel that is
    called Z or lies in a layer called depth is taken, or the only one. Raises DepthError, also for
    a picture that is larger than the budget has.
    """
    try:
        # Opened here, and written to memory: the library takes only names that are UTF-8.
        with path.open("rb") as stream, OpenEXR.File(stream, header_only=True) as file:
            headers = [dict(part.header) for part in file.parts]
        owners = {
            channel.name: number
            for number, header in enumerate(headers)
            for channel in header["channels"]
        }
        name = _chosen(path, list(owners), layer)
        header = headers[owners[name]]
        _check_header(path, header, budget)
        return _in_display_window(header, _channel(path, owners[name], name, header))
    except (RuntimeError, ValueError, OSError, TypeError, LookupError) as error:
        if not path.is_file():
            raise DepthError(f"there is no file {path}") from None
        reason = str(error).strip().rpartition("\n")[2][:200]
        raise DepthError(f"{path} is not a readable EXR file ({reason})") from None


def _channel(path: Path, part: int, name: str, header: dict[str, Any]) -> np.ndarray:
    """The numbers of one channel in its data window. Raises ValueError, OSError."""
    with path.open("rb") as file:
        kind, *sampling = read_parts(file)[part].channels[name]
        alone = single_part(file, part)
        dtype = _DTYPES.get(kind)
        if dtype is None or sampling != [1, 1]:
            raise ValueError(f"its channel {name} has no number for each pixel")
        file.seek(0)
        picture = OpenEXR.InputFile(file if alone is None else alone)
        try:
            width, height = _size(header["dataWindow"])
            return np.frombuffer(picture.channel(name), dtype).reshape(height, width)
        except OSError as error:  # the library prints why
            raise DepthError(f"{path} is damaged: its pixels cannot be read") from error
        finally:
            picture.close()


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
        width, height = _size(window)
        if min(width, height) < 1 or width * height > budget.picture_pixels:
            most = budget.picture_pixels
            raise DepthError(f"{path} has {width}x{height} pixels; {most} are the most")
    width, height = _size(header["dataWindow"])
    tiles = header.get("tiles")
    block = (width, min(height, _BLOCK_LINES)) if tiles is None else (tiles.xSize, tiles.ySize)
    n_bytes = block[0] * block[1] * len(header["channels"]) * 4  # of all channels: unpacked at once
    if n_bytes > budget.array_bytes:
        raise DepthError(f"{path} has blocks of {n_bytes} bytes; {budget.array_bytes} are the most")


def _size(window: tuple[np.ndarray, np.ndarray]) -> tuple[int, int]:
    (left, top), (right, bottom) = window
    return int(right) - int(left) + 1, int(bottom) - int(top) + 1


def _chosen(path: Path, names: list[str], layer: str | None) -> str:
    """The name of the channel that holds the depth."""
    if layer is not None:
        wanted = layer.lower()
        found = [n for n in names if n.lower() == wanted]
        found = found or [n for n in names if n.lower().rpartition(".")[0] == wanted]
        found = found or [n for n in names if wanted in n.lower().split(".")]
    else:
        found = [n for n in names if n.lower().rpartition(".")[2] in _NAMES]
        found = found or [n for n in names if set(_NAMES) & set(n.lower().split("."))]
        found = found or (names if len(names) == 1 else [])
    if len(found) != 1:
        wanted = repr(layer) if layer is not None else "depth"
        some = "no channel is" if not found else f"{names_in_words(found)} all are"
        raise DepthError(
            f"{path}: {some} called {wanted}; name one of {names_in_words(names)} as the layer"
        )
    return found[0]


def _in_display_window(header: dict[str, Any], pixels: np.ndarray) -> np.ndarray:
    """Put the data window's pixels where they belong in the whole picture."""
    width, height = _size(header["displayWindow"])
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
