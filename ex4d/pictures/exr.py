"""OpenEXR files: chosen channels read, and channels written."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import OpenEXR

from ex4d.files.outputs import atomic_path
from ex4d.pictures.claims import PictureError
from ex4d.pictures.exr_channels import LayerError, window_size
from ex4d.pictures.exr_parts import read_parts, single_part

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from ex4d.files.budget import Budget

__all__ = [
    "in_display_window",
    "pixel_aspect_of",
    "read_channels",
    "read_headers",
    "reading_exr",
    "write_channels",
]

_BLOCK_LINES = 256  # that are packed together at most, by DWAB
_DTYPES = {0: np.uint32, 1: np.float16, 2: np.float32}  # as the file numbers them
_MOST_ASPECT = 100.0  # of a pixel; anything else is nonsense
_UNSUPPORTED = (OpenEXR.deepscanline, OpenEXR.deeptile)


@contextmanager
def reading_exr(path: Path) -> Iterator[None]:
    """Turn what goes wrong in the block with the file `path` into a PictureError."""
    try:
        yield
    except LayerError as error:
        raise PictureError(f"{path}: {error}") from None
    except PictureError:
        raise
    except (RuntimeError, ValueError, OSError, TypeError, LookupError) as error:
        if not path.is_file():
            raise PictureError(f"there is no file {path}") from None
        reason = str(error).strip().rpartition("\n")[2][:200]
        raise PictureError(f"{path} is not a readable EXR file ({reason})") from None


def read_headers(path: Path) -> list[dict[str, Any]]:
    """The headers of a file's parts."""
    # Opened here, and written to memory: the library takes only names that are UTF-8.
    with path.open("rb") as stream, OpenEXR.File(stream, header_only=True) as file:
        return [dict(part.header) for part in file.parts]


def read_channels(
    path: Path, header: dict[str, Any], part_number: int, names: Sequence[str], budget: Budget
) -> list[np.ndarray]:
    """The numbers [H, W] of channels of one part in its data window: float16, float32 or uint32.
    No other channel is unpacked. Raises PictureError, ValueError, OSError."""
    _check_header(path, header, budget)
    with path.open("rb") as file:
        part = read_parts(file)[part_number]
        kinds = [part.channels[name] for name in names]
        alone = single_part(file, part_number)
        for name, (kind, *sampling) in zip(names, kinds, strict=True):
            if kind not in _DTYPES or sampling != [1, 1]:
                raise ValueError(f"its channel {name} has no number for each pixel")
        file.seek(0)
        picture = OpenEXR.InputFile(file if alone is None else alone)
        try:
            width, height = window_size(header["dataWindow"])
            return [
                np.frombuffer(picture.channel(name), _DTYPES[kind]).reshape(height, width)
                for name, (kind, _, _) in zip(names, kinds, strict=True)
            ]
        except OSError as error:  # the library prints why
            raise PictureError(f"{path} is damaged: its pixels cannot be read") from error
        finally:
            picture.close()


def write_channels(path: Path, channels: Mapping[str, np.ndarray]) -> None:
    """Write channels [H, W], or RGB [H, W, 3]. Raises OutputError."""
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    written = io.BytesIO()
    with atomic_path(path) as temporary, OpenEXR.File(header, dict(channels)) as file:
        file.write(written)
        temporary.write_bytes(written.getbuffer())


def pixel_aspect_of(header: dict[str, Any]) -> float:
    """The width of a pixel over its height, 1 where the file says nonsense."""
    aspect = float(header.get("pixelAspectRatio", 1))
    return aspect if 1 / _MOST_ASPECT <= aspect <= _MOST_ASPECT else 1.0


def _check_header(path: Path, header: dict[str, Any], budget: Budget) -> None:
    """Refuse deep pictures and bombs, before any pixel is read."""
    if header.get("type") in _UNSUPPORTED:
        raise PictureError(f"{path} is a deep picture; write it flat, with one value a pixel")
    for window in (header["dataWindow"], header["displayWindow"]):
        width, height = window_size(window)
        if min(width, height) < 1 or width * height > budget.picture_pixels:
            most = budget.picture_pixels
            raise PictureError(f"{path} has {width}x{height} pixels; {most} are the most")
    width, height = window_size(header["dataWindow"])
    tiles = header.get("tiles")
    block = (width, min(height, _BLOCK_LINES)) if tiles is None else (tiles.xSize, tiles.ySize)
    n_bytes = block[0] * block[1] * len(header["channels"]) * 4  # of all channels: unpacked at once
    if n_bytes > budget.array_bytes:
        most = budget.array_bytes
        raise PictureError(f"{path} has blocks of {n_bytes} bytes; {most} are the most")


def in_display_window(
    header: dict[str, Any], pixels: np.ndarray, empty: float = np.nan
) -> np.ndarray:
    """Put the data window's pixels where they belong in the whole picture; `empty` is what floats
    are outside of it, whole numbers are 0."""
    width, height = window_size(header["displayWindow"])
    offset = header["dataWindow"][0] - header["displayWindow"][0]
    left, top = (int(side) for side in offset)
    if (left, top) == (0, 0) and pixels.shape == (height, width):
        return np.array(pixels)
    picture = np.full((height, width), empty if pixels.dtype.kind == "f" else 0, pixels.dtype)
    first = max(0, top), max(0, left)
    last = min(height, top + pixels.shape[0]), min(width, left + pixels.shape[1])
    if first[0] < last[0] and first[1] < last[1]:
        rows, columns = slice(first[0] - top, last[0] - top), slice(first[1] - left, last[1] - left)
        picture[first[0] : last[0], first[1] : last[1]] = pixels[rows, columns]
    return picture
