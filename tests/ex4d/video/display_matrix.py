"""The matrix of an mp4's track, by which its pictures are turned."""

from __future__ import annotations

import struct


def set_track_matrix(path, matrix) -> None:
    """Patch the 3x3 matrix in the mp4's track header (16.16 fixed point)."""
    data = path.read_bytes()
    identity = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    start = data.index(identity, data.index(b"tkhd"))
    a, b, c, d = (value << 16 for value in matrix)
    patched = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data[:start] + patched + data[start + len(identity) :])
