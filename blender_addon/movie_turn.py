"""Whether a movie is shown turned: phones held upright write it lying, with a note in the file.

Blender 4.2 reads the lying size; later ones turn it. Only MP4 and MOV have such notes.
"""

from __future__ import annotations

import struct
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["shown_size"]

_MOST_BOXES = 10_000  # of a file that was made to hold more
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


def _video_header(file: IO[bytes]) -> bytes | None:
    """Matrix and size of the first track that has a picture."""
    end = file.seek(0, 2)
    for kind, start, stop in _boxes(file, 0, end):
        if kind != b"moov":
            continue
        for track, first, last in _boxes(file, start, stop):
            headers = _boxes(file, first, last) if track == b"trak" else ()
            for name, begin, _ in headers:
                if name == b"tkhd" and (found := _matrix_and_size(file, begin)):
                    return found
    return None


def _matrix_and_size(file: IO[bytes], begin: int) -> bytes:
    """Of a track's header; nothing of a track without pictures."""
    file.seek(begin)
    version = file.read(4)[:1]
    file.seek(begin + 4 + _TIMES.get(version[0] if version else 0, 20) + 16)
    found = file.read(_MATRIX + 8)
    has_picture = len(found) == _MATRIX + 8 and any(found[_MATRIX:])
    return found if has_picture else b""


def _boxes(file: IO[bytes], start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes between two places: kind, where the content begins, where it ends."""
    for _ in range(_MOST_BOXES):
        if start + 8 > end:
            return
        file.seek(start)
        length, kind = struct.unpack(">I4s", file.read(8))
        content = start + 8
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8))
            content += 8
        stop = min(end, start + length) if length else end
        if stop < content:
            return
        yield kind, content, stop
        start = stop
