"""What a picture's header says of it, before anything is unpacked: PNG, TIFF, JPEG and DPX."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Claim", "Kind", "PictureError", "claim_of", "needed_of_png"]

Kind = Literal["PNG", "TIFF", "JPEG", "DPX"]
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by the type of colour
_PNG_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_TIFFS = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}  # the last two: BigTIFF
_FIELDS = {1: "B", 3: "H", 4: "I", 16: "Q"}  # how a TIFF's tag holds a number
_DPXS = {b"SDPX": ">", b"XPDS": "<"}
_JPEG = b"\xff\xd8\xff"
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # markers before a picture's size


class PictureError(ValueError):
    """A picture that cannot be read; the text names the file and says why."""


@dataclass(frozen=True)
class Claim:
    """What a header says."""

    kind: Kind
    width: int
    height: int
    n_bytes: int  # unpacked, with the blocks it is packed in
    photometric: int = -1  # of a TIFF
    orientation: int = 1  # of a TIFF: EXIF's number


def claim_of(data: np.ndarray) -> Claim | None:
    """What the header of a picture's bytes says; None for other files and damaged ones."""
    start = data[:32].tobytes()
    if start.startswith(_PNG) and len(start) >= 26:
        width, height, bits, colour = struct.unpack(">IIBB", start[16:26])
        n_bytes = width * height * _PNG_CHANNELS.get(colour, 4) * max(8, bits) // 8
        return Claim("PNG", width, height, n_bytes)
    if start[:4] in _TIFFS:
        return _claim_of_tiff(data)
    if start.startswith(_JPEG):
        return _claim_of_jpeg(data)
    if start[:4] in _DPXS and len(data) >= 2048:
        width, height = struct.unpack(_DPXS[start[:4]] + "II", data[772:780].tobytes())
        return Claim("DPX", width, height, width * height * 8)
    return None


def needed_of_png(path: Path, data: np.ndarray) -> np.ndarray:
    """A PNG's bytes without what its numbers do not depend on: texts and colour profiles, which
    are packed too, and animation. Raises PictureError where a chunk is longer than the file: OpenCV
    takes the memory first (4 GB for 171 bytes, found by the fuzzer)."""
    content, kept, at = data.tobytes(), [_PNG], len(_PNG)
    while at < len(content):
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(content):
            raise PictureError(f"{path} is not a picture that can be read: it is cut short")
        if kind in _PNG_NEEDED:
            kept.append(content[at:end])
        if kind == b"IEND":
            break
        at = end
    return np.frombuffer(b"".join(kept), np.uint8)


def _claim_of_jpeg(data: np.ndarray) -> Claim | None:
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker, length = int(data[at + 1]), int(data[at + 2]) << 8 | int(data[at + 3])
        if marker in _JPEG_FRAMES:
            height, width, channels = struct.unpack(">HHB", data[at + 5 : at + 10].tobytes())
            return Claim("JPEG", width, height, width * height * max(3, channels))
        at += 2 + length if marker != 0xFF else 1
    return None


def _claim_of_tiff(data: np.ndarray) -> Claim | None:
    """The first picture of a TIFF, which is the one that is read."""
    tags = _tags(data)
    if tags is None or 256 not in tags or 257 not in tags:
        return None
    width, height = tags[256], tags[257]
    bytes_each = max(1, tags.get(277, 1)) * max(8, tags.get(258, 8)) // 8
    block = tags.get(322, width) * tags.get(323, min(height, tags.get(278, height)))
    n_bytes = (width * height + block) * bytes_each
    return Claim("TIFF", width, height, n_bytes, tags.get(262, -1), tags.get(274, 1))


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
