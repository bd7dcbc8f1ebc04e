"""One part of a multi-part OpenEXR file as a file of its own, copied and not unpacked.

The only reader that can leave channels out, OpenEXR.InputFile, sees the first part of a file alone.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field
from typing import BinaryIO

__all__ = ["Part", "read_parts", "single_part"]

_MULTI_PART, _TILED, _LONG_NAMES = 0x1000, 0x200, 0x400
_VERSION = 2
_MOST_ATTRIBUTES = 10_000
_MOST_PARTS = 1000
_MOST_NAME = 256


@dataclass(frozen=True)
class Part:
    """One part of a file, as its header tells."""

    raw: bytes  # the header, with its end
    n_chunks: int = 0  # blocks of pixels; 0 when it does not say
    is_tiled: bool = False
    channels: dict[str, tuple[int, int, int]] = field(default_factory=dict)  # type, sampling x, y
    rate: tuple[int, int] | None = None  # frames a second, as a fraction


def read_parts(file: BinaryIO) -> list[Part]:
    """The parts of a file, which is left behind their headers. Raises ValueError for a file that
    is damaged."""
    file.seek(4)
    if not _uint(file) & _MULTI_PART:
        return [_part(file)]
    parts = []
    while (part := _part(file)).raw != b"\0":  # an empty header ends the list
        parts.append(part)
        if len(parts) > _MOST_PARTS:
            raise ValueError(f"it has more than {_MOST_PARTS} parts")
    return parts


def single_part(file: BinaryIO, number: int) -> io.BytesIO | None:
    """Part `number` of a flat multi-part file as a file with that part alone; None when `file` has
    only one. Raises ValueError for a file that is damaged."""
    parts = read_parts(file)
    part, first_table = parts[number], file.tell() + 8 * sum(p.n_chunks for p in parts[:number])
    file.seek(4)
    flags = _uint(file)
    if not flags & _MULTI_PART:
        return None
    end = file.seek(0, 2)
    if not 0 < part.n_chunks <= end // 8:
        raise ValueError(f"it says that it has {part.n_chunks} blocks of pixels")
    file.seek(first_table)
    offsets = struct.unpack(f"<{part.n_chunks}Q", _exactly(file, 8 * part.n_chunks))
    flags = _VERSION | flags & _LONG_NAMES | (_TILED if part.is_tiled else 0)
    start = b"v/1\x01" + struct.pack("<I", flags) + part.raw
    at = len(start) + 8 * part.n_chunks
    chunks, places, room = [], [], end
    for offset in offsets:
        chunk = _chunk(file, offset, number, part.is_tiled)
        room -= len(chunk)
        if room < 0:  # the same bytes again and again
            raise ValueError("its blocks of pixels lie one over the other")
        places.append(at)
        chunks.append(chunk)
        at += len(chunk)
    return io.BytesIO(b"".join([start, struct.pack(f"<{part.n_chunks}Q", *places), *chunks]))


def _part(file: BinaryIO) -> Part:
    first, n_chunks, is_tiled, channels, rate = file.tell(), 0, False, {}, None
    n_attributes = 0
    while name := _text(file):
        kind, size = _text(file), _uint(file)
        value = _exactly(file, size)
        if (name, kind, size) == (b"chunkCount", b"int", 4):
            n_chunks = int.from_bytes(value, "little")
        elif name == b"type":
            is_tiled = value == b"tiledimage"
        elif (name, kind) == (b"channels", b"chlist"):
            channels = _channels(io.BytesIO(value))
        elif (name, kind, size) == (b"framesPerSecond", b"rational", 8):
            rate = struct.unpack("<iI", value)
        n_attributes += 1
        if n_attributes > _MOST_ATTRIBUTES:
            raise ValueError(f"it has more than {_MOST_ATTRIBUTES} attributes")
    last = file.tell()
    file.seek(first)
    return Part(_exactly(file, last - first), n_chunks, is_tiled, channels, rate)


def _channels(value: BinaryIO) -> dict[str, tuple[int, int, int]]:
    channels = {}
    while name := _text(value):
        kind, _, x, y = struct.unpack("<4i", _exactly(value, 16))
        channels[name.decode("utf-8", "replace")] = kind, x, y
    return channels


def _chunk(file: BinaryIO, offset: int, number: int, is_tiled: bool) -> bytes:
    """A block of pixels without the number of its part."""
    if offset >= 1 << 63:
        raise ValueError("a block of pixels lies beyond its end")
    file.seek(offset)
    if _uint(file) != number:
        raise ValueError("a block of pixels belongs to another part")
    place = _exactly(file, 16 if is_tiled else 4)
    size = _uint(file)
    return place + struct.pack("<I", size) + _exactly(file, size)


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise ValueError("it ends early")
    return data


def _uint(file: BinaryIO) -> int:
    return int.from_bytes(_exactly(file, 4), "little")


def _text(file: BinaryIO) -> bytes:
    text = b""
    while (letter := _exactly(file, 1)) != b"\0":
        text += letter
        if len(text) > _MOST_NAME:
            raise ValueError("it has a name without an end")
    return text
