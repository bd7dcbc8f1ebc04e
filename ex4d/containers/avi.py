"""The pictures of an AVI file, counted chunk by chunk (OpenDML 1.02)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["count_chunks", "is_avi"]

_FOLDERS = (b"RIFF", b"LIST")  # their content begins with a name of four bytes
_PICTURES = (b"dc", b"db")  # compressed and not, behind the stream's number
_MOST_CHUNKS = 200_000  # an hour of picture and sound; more takes a second and longer


def is_avi(file: BinaryIO) -> bool:
    """Whether a file begins as an AVI does."""
    file.seek(0)
    head = file.read(12)
    return head[:4] == b"RIFF" and head[8:] == b"AVI "


def count_chunks(file: BinaryIO) -> int:
    """Pictures of the first video stream, without the empty chunks that repeat one; 0 where there
    are too many chunks to be counted at once."""
    n_pictures = n_streams = 0
    video: bytes | None = None
    for place, (kind, size) in enumerate(_chunks(file)):
        if place > _MOST_CHUNKS:
            return 0
        if kind == b"strh":
            if video is None and file.read(4) == b"vids":
                video = b"%02d" % n_streams
            n_streams += 1
        elif kind[:2] == video and kind[2:] in _PICTURES and size:
            n_pictures += 1
    return n_pictures


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Kind and size of every chunk; the file stands where its content begins."""
    end = file.seek(0, 2)
    place = 0
    while place + 8 <= end:
        file.seek(place)
        kind, size = struct.unpack("<4sI", file.read(8))
        yield kind, size
        place += 12 if kind in _FOLDERS else 8 + size + size % 2
