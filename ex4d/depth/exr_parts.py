"""One part of a multi-part OpenEXR file as a file of its own, copied and not unpacked.

The only reader that can leave channels out, OpenEXR.InputFile, sees the first part of a file alone.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["single_part"]

_MULTI_PART, _TILED, _LONG_NAMES = 0x1000, 0x200, 0x400
_VERSION = 2
_MOST_ATTRIBUTES = 10_000
_MOST_NAME = 256


def single_part(file: BinaryIO, number: int) -> io.BytesIO | None:
    """Part `number` of a flat multi-part file as a file with that part alone; None when `file` has
    only one. Raises ValueError for a file that is damaged."""
    file.seek(4)
    flags = _uint(file)
    if not flags & _MULTI_PART:
        return None
    headers = list(_headers(file))
    if number >= len(headers):
        raise ValueError("it has fewer parts than it says")
    first_table = file.tell() + 8 * sum(count for _, count, _ in headers[:number])
    raw, n_chunks, is_tiled = headers[number]
    end = file.seek(0, 2)
    if not 0 < n_chunks <= end // 8:
        raise ValueError(f"it says that it has {n_chunks} blocks of pixels")
    file.seek(first_table)
    offsets = struct.unpack(f"<{n_chunks}Q", _exactly(file, 8 * n_chunks))
    flags = _VERSION | flags & _LONG_NAMES | (_TILED if is_tiled else 0)
    start = b"v/1\x01" + struct.pack("<I", flags) + raw
    at = len(start) + 8 * n_chunks
    chunks, places, room = [], [], end
    for offset in offsets:
        chunk = _chunk(file, offset, number, is_tiled)
        room -= len(chunk)
        if room < 0:  # the same bytes again and again
            raise ValueError("its blocks of pixels lie one over the other")
        places.append(at)
        chunks.append(chunk)
        at += len(chunk)
    return io.BytesIO(b"".join([start, struct.pack(f"<{n_chunks}Q", *places), *chunks]))


def _headers(file: BinaryIO) -> Iterator[tuple[bytes, int, bool]]:
    """Each part's header with its end, its number of blocks, and whether it is tiled."""
    n_attributes = 0
    while True:
        first, n_chunks, is_tiled = file.tell(), 0, False
        while name := _text(file):
            kind, size = _text(file), _uint(file)
            value = _exactly(file, size)
            if (name, kind) == (b"chunkCount", b"int"):
                n_chunks = int.from_bytes(value, "little")
            elif name == b"type":
                is_tiled = value == b"tiledimage"
            n_attributes += 1
            if n_attributes > _MOST_ATTRIBUTES:
                raise ValueError(f"it has more than {_MOST_ATTRIBUTES} attributes")
        last = file.tell()
        if last == first + 1:
            return  # an empty header ends the list
        file.seek(first)
        yield _exactly(file, last - first), n_chunks, is_tiled


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
