"""The pictures of a Matroska or WebM file, counted block by block (RFC 9559)."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["count_blocks", "is_matroska"]

_EBML = 0x1A45DFA3
_TRACK, _NUMBER, _TYPE = 0xAE, 0xD7, 0x83
_SIMPLE_BLOCK, _BLOCK = 0xA3, 0xA1
# elements that hold others: Segment, Tracks, TrackEntry, Cluster, BlockGroup
_FOLDERS = {0x18538067, 0x1654AE6B, _TRACK, 0x1F43B675, 0xA0}
_VIDEO = 1
_MOST_ELEMENTS = 200_000  # some 20 minutes of picture and sound; more takes a second and longer


def is_matroska(file: BinaryIO) -> bool:
    """Whether a file begins as a Matroska or WebM does."""
    file.seek(0)
    return int.from_bytes(file.read(4), "big") == _EBML


def count_blocks(file: BinaryIO) -> int:
    """Blocks of the first video track; 0 where there are too many to be counted at once."""
    file.seek(0)
    n_blocks, number, video = 0, 0, 0
    for place, (kind, size) in enumerate(_elements(file)):
        if place > _MOST_ELEMENTS:
            return 0
        if kind == _NUMBER:
            number = int.from_bytes(file.read(size), "big")
        elif kind == _TYPE and not video and int.from_bytes(file.read(size), "big") == _VIDEO:
            video = number
        elif kind in (_SIMPLE_BLOCK, _BLOCK):
            n_blocks += _vint(file) == video != 0
    return n_blocks


def _elements(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Every element and the size of its content, where the file stands then. One that holds others
    is followed by them: those of a live stream do not know their size."""
    end = file.seek(0, 2)
    place = file.seek(0)
    while place < end:
        kind = _vint(file, is_kept_whole=True)
        size = _vint(file)
        if kind <= 0 or size < 0:
            return
        place = file.tell()
        yield kind, size
        if kind not in _FOLDERS:
            place += size
        file.seek(place)


def _vint(file: BinaryIO, *, is_kept_whole: bool = False) -> int:
    """A number of one to eight bytes, the length told by the first one's leading zeros; -1 where
    there is none."""
    first = file.read(1)
    if not first or not first[0]:
        return -1
    n_more = 8 - first[0].bit_length()
    rest = file.read(n_more)
    if len(rest) < n_more:
        return -1
    head = first[0] if is_kept_whole else first[0] & (0x7F >> n_more)
    return int.from_bytes(bytes([head]) + rest, "big")
