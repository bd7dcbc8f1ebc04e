"""Depth in PNG and TIFF pictures: whole numbers, or a TIFF's floats."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ex4d.budget import COMMAND_LINE, Budget
from ex4d.errors import DepthError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["read_integers"]

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by the type of colour
_PNG_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_TIFFS = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}  # the last two: BigTIFF
_FIELDS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # how a TIFF's tag holds a number


@dataclass(frozen=True)
class _Claim:
    """What a picture's header says, before anything is unpacked."""

    width: int
    height: int
    n_bytes: int  # unpacked, with the blocks it is packed in
    is_png: bool = False


def read_integers(path: Path, budget: Budget = COMMAND_LINE) -> np.ndarray:
    """Read the numbers [H, W] of a picture: its only channel, or the first of three that are equal.

    It must be a PNG or TIFF by its content, whatever its name. Raises DepthError, also for a
    picture that is larger than the budget has.
    """
    data = _bytes_of(path, budget)
    claim = _claim(data)
    if claim is None:
        raise DepthError(f"{path} is not a PNG or TIFF picture that can be read")
    if claim.width * claim.height > budget.picture_pixels or claim.n_bytes > budget.array_bytes:
        raise DepthError(
            f"{path} has {claim.width}x{claim.height} pixels and {claim.n_bytes} bytes when "
            f"unpacked; {budget.picture_pixels} and {budget.array_bytes} are the most"
        )
    if claim.is_png:
        data = _needed_of_png(path, data)
    try:
        picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error:  # of a size that no picture has
        picture = None
    if picture is None:
        raise DepthError(f"{path} is not a picture that can be read: it is damaged, or too large")
    if picture.ndim == 3:
        if picture.shape[2] < 3 or not (picture[..., :1] == picture[..., 1:3]).all():
            raise DepthError(f"{path} is a coloured picture; depth has one channel")
        picture = picture[..., 0]
    if picture.dtype == np.uint8:
        raise DepthError(f"{path} has 8 bits a pixel, too few for depth; write it with 16")
    return np.asarray(picture)


def _bytes_of(path: Path, budget: Budget) -> np.ndarray:
    try:
        size = path.stat().st_size
        if size > budget.array_bytes:
            raise DepthError(f"{path} has {size} bytes; {budget.array_bytes} are the most")
        return np.fromfile(path, np.uint8)  # OpenCV cannot open every name on Windows
    except OSError as error:
        raise DepthError(f"{path} cannot be read: {error.strerror}") from None


def _claim(data: np.ndarray) -> _Claim | None:
    """What a PNG's or a TIFF's header says; None for other files and damaged ones."""
    start = data[:32].tobytes()
    if start.startswith(_PNG) and len(start) >= 26:
        width, height, bits, colour = struct.unpack(">IIBB", start[16:26])
        n_bytes = width * height * _PNG_CHANNELS.get(colour, 4) * max(8, bits) // 8
        return _Claim(width, height, n_bytes, is_png=True)
    if start[:4] in _TIFFS:
        return _claim_of_tiff(data)
    return None


def _needed_of_png(path: Path, data: np.ndarray) -> np.ndarray:
    """A PNG's bytes without what its numbers do not depend on: texts and colour profiles, which
    are packed too, and animation. Raises DepthError where a chunk is longer than the file: OpenCV
    takes the memory first (4 GB for 171 bytes, found by the fuzzer)."""
    content, kept, at = data.tobytes(), [_PNG], len(_PNG)
    while at < len(content):
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(content):
            raise DepthError(f"{path} is not a picture that can be read: it is cut short")
        if kind in _PNG_NEEDED:
            kept.append(content[at:end])
        if kind == b"IEND":
            break
        at = end
    return np.frombuffer(b"".join(kept), np.uint8)


def _claim_of_tiff(data: np.ndarray) -> _Claim | None:
    """The first picture of a TIFF, which is the one that is read."""
    tags = _tags(data)
    if tags is None or 256 not in tags or 257 not in tags:
        return None
    width, height = tags[256], tags[257]
    bytes_each = max(1, tags.get(277, 1)) * max(8, tags.get(258, 8)) // 8
    block = tags.get(322, width) * tags.get(323, min(height, tags.get(278, height)))
    return _Claim(width, height, (width * height + block) * bytes_each)


def _tags(data: np.ndarray) -> dict[int, int] | None:
    """The first number of each tag of a TIFF's first picture; None when it is damaged."""
    content = memoryview(data)  # type: ignore[arg-type]  # an array is one
    order, is_big = _TIFFS[data[:4].tobytes()], data[:4].tobytes() in (b"II+\0", b"MM\0+")
    place, count, entry = (8, 8, 20) if is_big else (4, 2, 12)
    try:
        (first,) = struct.unpack_from(order + ("Q" if is_big else "I"), content, place)
        (n_tags,) = struct.unpack_from(order + ("Q" if is_big else "H"), content, first)
        tags = {}
        for number in range(min(n_tags, 1000)):
            at = first + count + entry * number
            tag, field = struct.unpack_from(order + "HH", content, at)
            (n_values,) = struct.unpack_from(order + ("Q" if is_big else "I"), content, at + 4)
            value = at + (12 if is_big else 8)
            form = order + _FIELDS.get(field, "I")
            if n_values * struct.calcsize(form) > (8 if is_big else 4):  # it lies elsewhere
                (value,) = struct.unpack_from(order + ("Q" if is_big else "I"), content, value)
            (tags[tag],) = struct.unpack_from(form, content, value)
    except (struct.error, OverflowError):
        return None
    return tags
