"""The header of a track of an mp4 or mov file (ISO 14496-12, tkhd)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

__all__ = ["TRACK_HEADER_BYTES", "TrackHeader", "read_track_header"]

TRACK_HEADER_BYTES = 96  # the longest there is
_NUMBER, _MATRIX = (12, 20), (40, 52)  # where they begin; times have 32 bits, or 64 in version 1


@dataclass(frozen=True)
class TrackHeader:
    """What it says of its track."""

    number: int
    matrix: tuple[int, ...] = ()  # 9 numbers, how pictures are laid out; none where it is cut off
    size: tuple[int, int] = (0, 0)  # (W, H) in 65536ths of a pixel; zeros: no pictures

    @property
    def turns_a_quarter(self) -> bool:
        """Whether pictures are shown turned by 90 degrees, either way."""
        if not self.matrix:
            return False
        a, b, _, c, d, *_ = self.matrix
        return a == d == 0 and b != 0 and c != 0


def read_track_header(content: bytes) -> TrackHeader | None:
    """Read the content of a tkhd box, TRACK_HEADER_BYTES of it at most; None where it is too short
    to name its track."""
    version = int(content[:1] == b"\x01")
    number, matrix = _NUMBER[version], _MATRIX[version]
    if len(content) < number + 4:
        return None
    track = int.from_bytes(content[number : number + 4], "big")
    if len(content) < matrix + 44:
        return TrackHeader(track)
    *turn, width, height = struct.unpack_from(">9iII", content, matrix)
    return TrackHeader(track, tuple(turn), (width, height))
