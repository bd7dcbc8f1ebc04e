"""Whether a movie is shown turned: phones held upright write it lying, with a note in the file.

Blender 4.2 reads the lying size; later ones turn it. Only MP4 and MOV have such notes.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

from ...ex4d.containers.quicktime import walk_boxes

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["shown_size"]

_MATRIX, _TIMES = 36, {0: 20, 1: 32}  # bytes; by the header's version


def shown_size(path: Path, size: tuple[int, int]) -> tuple[int, int]:
    """The size (W, H) at which a movie is shown, of the one that Blender reads: the other way round
    where it reads a quarter turn as lying. A file that cannot be read is as Blender says."""
    try:
        with open(path, "rb") as file:
            header = _video_header(file)
    except (OSError, struct.error):
        return size
    if header is None:
        return size
    a, b, _, c, d, *_ = struct.unpack(">9i", header[:_MATRIX])
    width, height = struct.unpack(">II", header[_MATRIX:])
    is_turned = a == d == 0 and b != 0 and c != 0
    is_lying = (size[0] > size[1]) == (width > height) and size[0] != size[1]
    return (size[1], size[0]) if is_turned and is_lying else size


def _video_header(file: BinaryIO) -> bytes | None:
    """Matrix and size of the first track that has a picture."""
    places = (first for kind, first, _ in walk_boxes(file) if kind == b"tkhd")
    return next((found for first in places if (found := _matrix_and_size(file, first))), None)


def _matrix_and_size(file: BinaryIO, begin: int) -> bytes:
    """Of a track's header; nothing of a track without pictures."""
    file.seek(begin)
    version = file.read(4)[:1]
    file.seek(begin + 4 + _TIMES.get(version[0] if version else 0, 20) + 16)
    found = file.read(_MATRIX + 8)
    has_picture = len(found) == _MATRIX + 8 and any(found[_MATRIX:])
    return found if has_picture else b""
