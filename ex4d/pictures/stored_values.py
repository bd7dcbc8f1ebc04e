"""The numbers of a PNG, TIFF, JPEG or DPX picture, as they are stored."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import imageio.v3 as iio
import numpy as np

from ex4d.pictures.claims import Claim, Kind, PictureError, claim_of, needed_of_png
from ex4d.pictures.dpx import read_dpx

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from ex4d.files.budget import Budget

__all__ = ["StoredPicture", "read_stored"]

_BLACK_IS_ZERO, _RGB = 1, 2  # kinds of TIFF whose numbers are the picture
_NOT_READ = "is not a picture that can be read: it is damaged, or too large"


@dataclass(frozen=True, eq=False)
class StoredPicture:
    """What a file holds."""

    values: np.ndarray  # [H, W], or [H, W, C] in the order red, green, blue, alpha
    kind: Kind
    said: str = ""  # how its numbers are to be understood, where the file tells


def read_stored(path: Path, budget: Budget, kinds: Collection[Kind]) -> StoredPicture:
    """Read a picture that is one of `kinds` by its content, whatever its name.

    Raises PictureError, also for a picture that is larger than the budget has.
    """
    data = _bytes_of(path, budget)
    claim = claim_of(data)
    if claim is None or claim.kind not in kinds:
        raise PictureError(f"{path} is not a {' or '.join(kinds)} picture that can be read")
    _check(path, claim.width, claim.height, claim.n_bytes, budget)
    match claim.kind:
        case "PNG":  # imageio's opencv plugin takes names alone, and some it cannot open
            return StoredPicture(_by_opencv(path, needed_of_png(path, data)), "PNG")
        case "JPEG":
            return StoredPicture(_jpeg(path, data), "JPEG")
        case "DPX":
            values, said = read_dpx(path, data)
            return StoredPicture(values, "DPX", said)
        case "TIFF":
            return StoredPicture(_upright(_tiff(path, data, claim, budget), claim), "TIFF")


def _check(path: Path, width: int, height: int, n_bytes: int, budget: Budget) -> None:
    if min(width, height) < 1:
        raise PictureError(f"{path} {_NOT_READ}")
    if width * height > budget.picture_pixels or n_bytes > budget.array_bytes:
        raise PictureError(
            f"{path} has {width}x{height} pixels and {n_bytes} bytes when "
            f"unpacked; {budget.picture_pixels} and {budget.array_bytes} are the most"
        )


def _bytes_of(path: Path, budget: Budget) -> np.ndarray:
    try:
        size = path.stat().st_size
        if size > budget.array_bytes:
            raise PictureError(f"{path} has {size} bytes; {budget.array_bytes} are the most")
        return np.fromfile(path, np.uint8)  # OpenCV cannot open every name on Windows
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror}") from None


def _by_opencv(path: Path, data: np.ndarray) -> np.ndarray:
    try:
        picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error:  # of a size that no picture has
        picture = None
    if picture is None:
        raise PictureError(f"{path} {_NOT_READ}")
    values = np.asarray(picture)
    if values.ndim == 3 and values.shape[2] >= 3:
        values = values[..., [2, 1, 0, *range(3, values.shape[2])]]
    return values


def _jpeg(path: Path, data: np.ndarray) -> np.ndarray:
    """Upright, by its EXIF tag, and RGB whatever it is stored as."""
    try:
        return np.asarray(iio.imread(data.tobytes(), plugin="pillow", mode="RGB", rotate=True))
    except MemoryError:
        raise
    except Exception as error:  # Pillow's plugins raise what they like
        raise PictureError(f"{path} {_NOT_READ}") from error


def _tiff(path: Path, data: np.ndarray, claim: Claim, budget: Budget) -> np.ndarray:
    """By tifffile, which reads more kinds of numbers; by OpenCV, which unpacks LZW and turns other
    colours into RGB."""
    if claim.photometric not in (_BLACK_IS_ZERO, _RGB):
        return _by_opencv(path, data)
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what is wrong is said below
    try:
        opened: Any = iio.imopen(data.tobytes(), "r", plugin="tifffile")
        with opened as file:
            # `...`: the first page of the file. Its series would be all of them, which a damaged
            # chain of pages never ends.
            claimed = file.properties(index=..., page=0)
            shape, n_bytes = claimed.shape, int(np.prod(claimed.shape)) * claimed.dtype.itemsize
            _check(path, claim.width, claim.height, n_bytes, budget)
            values = np.asarray(file.read(index=..., page=0))
    except (MemoryError, PictureError):
        raise
    except Exception:  # it raises what it likes for damaged files, and for codecs that it lacks
        return _by_opencv(path, data)
    size = (claim.height, claim.width)
    if shape[-2:] == size and len(shape) == 3:  # a plane for each channel
        values = np.moveaxis(values, 0, -1)
    if values.shape[:2] != size or values.ndim > 3:
        raise PictureError(f"{path} {_NOT_READ}")
    return values


def _upright(values: np.ndarray, claim: Claim) -> np.ndarray:
    """Turned as its tag of orientation says."""
    turns: dict[int, Any] = {
        2: lambda v: v[:, ::-1],
        3: lambda v: v[::-1, ::-1],
        4: lambda v: v[::-1],
        5: lambda v: v.swapaxes(0, 1),
        6: lambda v: v.swapaxes(0, 1)[:, ::-1],
        7: lambda v: v.swapaxes(0, 1)[::-1, ::-1],
        8: lambda v: v.swapaxes(0, 1)[::-1],
    }
    turned: np.ndarray = turns.get(claim.orientation, lambda v: v)(values)
    return turned
