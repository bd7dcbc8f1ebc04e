"""Whether a movie is shown turned: phones held upright write it lying, with a note in the file.

Blender 4.2 reads the lying size; later ones turn it. Only MP4 and MOV have such notes.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

from ...ex4d.containers.quicktime import walk_boxes
from ...ex4d.containers.track_header import TRACK_HEADER_BYTES, TrackHeader, read_track_header

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["shown_size"]


def shown_size(path: Path, size: tuple[int, int]) -> tuple[int, int]:
    """The size (W, H) at which a movie is shown, of the one that Blender reads: the other way round
    where it reads a quarter turn as lying. A file that cannot be read is as Blender says."""
    try:
        with open(path, "rb") as file:
            header = _picture_track(file)
    except (OSError, struct.error):  # boxes that are cut off
        return size
    if header is None:
        return size
    width, height = header.size
    is_lying = (size[0] > size[1]) == (width > height) and size[0] != size[1]
    return (size[1], size[0]) if header.turns_a_quarter and is_lying else size


def _picture_track(file: BinaryIO) -> TrackHeader | None:
    """The header of the first track that has a picture."""
    for kind, first, last in walk_boxes(file):
        if kind == b"tkhd":
            file.seek(first)
            header = read_track_header(file.read(min(last - first, TRACK_HEADER_BYTES)))
            if header is not None and any(header.size):
                return header
    return None
