"""What an mp4 or mov file says in its header of where its pictures are and how many, checked before
FFmpeg reads it, and which part of them is shown."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO

from .track_header import TRACK_HEADER_BYTES, read_track_header

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CleanAperture", "Header", "read_header", "walk_boxes"]

_STARTS = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"moof", b"styp")
_FOLDERS = {b"moov", b"trak", b"edts", b"mdia", b"minf", b"dinf", b"stbl", b"moof", b"traf"}
_MOST_BOXES = 100_000  # 16 bytes each at least; a fragmented film of an hour has some thousands
_HAS_OTHERS = 16  # bytes of a dref entry that names a file at all, its header included
_SELF_CONTAINED = 1
# what makes a track's entries come from the box itself and not from bytes that lie in the file
_SIZES_OF_SAMPLES = 0x000F00  # trun: a duration, size, flags or offset for each
_STSD_BYTES, _ENTRY_BYTES = 8, 78  # before the first entry, and of a picture's entry before boxes


@dataclass(frozen=True)
class CleanAperture:
    """The part of a stored picture that is meant to be seen (ISO 14496-12, clap), in pixels."""

    width: Fraction
    height: Fraction
    right: Fraction  # of its centre from the picture's
    down: Fraction

    def within(self, size: tuple[int, int]) -> tuple[int, int, int, int] | None:
        """Left, top, width and height in a picture of `size` (W, H); None where it is all of it, or
        lies outside."""
        width, height = round(self.width), round(self.height)
        left = round((size[0] - width) / Fraction(2) + self.right)
        top = round((size[1] - height) / Fraction(2) + self.down)
        is_inside = min(left, top) >= 0 and left + width <= size[0] and top + height <= size[1]
        if min(width, height) < 1 or not is_inside or (width, height) == size:
            return None
        return left, top, width, height


@dataclass
class Header:
    """What the boxes of one file claim."""

    is_reference: bool = False  # its pictures lie in other files
    n_samples: int = 0  # of all tracks but sound
    compressed_bytes: int = 0  # of a header that is compressed, when unpacked
    apertures: dict[int, CleanAperture] = field(default_factory=dict)  # by the track's number
    has_only_dolby_vision: bool = False  # colours that nothing else shows
    _track: int = field(default=0, repr=False)
    _is_sound: bool = field(default=False, repr=False)


def read_header(file: BinaryIO) -> Header | None:
    """Walk the boxes of a file; None when it is no mp4 or mov. What is damaged or too deep is
    passed over: FFmpeg says so itself."""
    if not _is_quicktime(file):
        return None
    header = Header()
    for kind, first, last in walk_boxes(file):
        _note(header, kind, file, first, last)
    return header


def walk_boxes(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Kind, first and last byte of the content of every box, at any depth, each before what it
    holds; none of a file that is no mp4 or mov."""
    if _is_quicktime(file):
        boxes = _boxes(file, 0, file.seek(0, 2), 0)
        for _, box in zip(range(_MOST_BOXES), boxes, strict=False):
            yield box


def _is_quicktime(file: BinaryIO) -> bool:
    file.seek(0)
    return file.read(8)[4:] in _STARTS


def _boxes(file: BinaryIO, first: int, end: int, depth: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, first and last byte of the content of every box from `first` to `end`, at any depth."""
    while first + 8 <= end:
        file.seek(first)
        size, kind = struct.unpack(">I4s", file.read(8))
        content = first + 8
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
            content += 8
        elif size == 0:
            size = end - first
        if size < content - first:
            return
        last = min(end, first + size)
        yield kind, content, last
        if kind in _FOLDERS and depth < 8:
            yield from _boxes(file, content, last, depth + 1)
        first += size


def _note(header: Header, kind: bytes, file: BinaryIO, first: int, last: int) -> None:
    """Take down what one box claims."""
    file.seek(first)
    if kind == b"rmra":
        header.is_reference = True
    elif kind == b"trak":
        header._is_sound = False
    elif kind == b"hdlr" and last - first >= 12:
        handler = file.read(12)[8:]
        header._is_sound = header._is_sound or handler == b"soun"  # a minf has an alias's hdlr too
    elif kind == b"tkhd":
        track = read_track_header(file.read(min(last - first, TRACK_HEADER_BYTES)))
        header._track = track.number if track else 0
    elif kind == b"stsd" and not header._is_sound:
        _note_entry(header, file, first + _STSD_BYTES, last)
    elif kind == b"dref" and not header._is_sound:
        header.is_reference |= any(_names_a_file(file, first + 8, last))
    elif kind == b"cmov":
        header.compressed_bytes += _compressed_bytes(file, first, last)
    elif kind in (b"stsz", b"stz2") and not header._is_sound and last - first >= 12:
        header.n_samples += int.from_bytes(file.read(12)[8:], "big")
    elif kind == b"trun" and last - first >= 8:
        flags, count = struct.unpack(">II", file.read(8))
        if not flags & _SIZES_OF_SAMPLES:  # others take bytes of the file
            header.n_samples += count


def _names_a_file(file: BinaryIO, first: int, end: int) -> Iterator[bool]:
    """Whether each entry of a dref says that the pictures lie in another file, and in which."""
    while first + 12 <= end:
        file.seek(first)
        size, _, flags = struct.unpack(">I4sI", file.read(12))
        if size < 12:
            return
        yield not flags & _SELF_CONTAINED and size > _HAS_OTHERS
        first += size


def _note_entry(header: Header, file: BinaryIO, first: int, last: int) -> None:
    """Take down what the boxes of the first entry of a stsd say of its pictures."""
    _, entry, end = next(_boxes(file, first, last, 8), (b"", last, last))
    boxes = _boxes(file, entry + _ENTRY_BYTES, end, 8)
    for _, (kind, start, stop) in zip(range(_MOST_BOXES), boxes, strict=False):
        file.seek(start)
        if kind == b"clap" and stop - start >= 32:
            numbers = struct.unpack(">IIIIiIiI", file.read(32))
            if all(numbers[1::2]):
                parts = [Fraction(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]
                header.apertures[header._track] = CleanAperture(*parts)
        elif kind in (b"dvcC", b"dvvC") and stop - start >= 5:
            compatible_with = file.read(5)[4] >> 4  # profile 5: with nothing
            header.has_only_dolby_vision |= compatible_with == 0


def _compressed_bytes(file: BinaryIO, first: int, last: int) -> int:
    for kind, content, _ in _boxes(file, first, last, 8):
        if kind == b"cmvd":
            file.seek(content)
            return int.from_bytes(file.read(4), "big")
    return 0
