"""Boxes of an mp4 or mov, patched."""

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


BOXES = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")


def add_to_entry(path, kind: bytes, box: bytes) -> None:
    """Put a box at the end of the entry `kind` of the video's track; the index is last."""
    data = path.read_bytes()
    assert data.index(b"mdat") < data.index(b"moov")
    entry = data.index(kind, data.index(b"stsd")) - 4
    end = entry + int.from_bytes(data[entry : entry + 4], "big")
    data = data[:end] + box + data[end:]
    starts = [data.index(name, data.index(b"moov")) - 4 for name in BOXES]
    for start in (*starts, entry):
        size = int.from_bytes(data[start : start + 4], "big") + len(box)
        data = data[:start] + struct.pack(">I", size) + data[start + 4 :]
    path.write_bytes(data)
