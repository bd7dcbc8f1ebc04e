"""Small files that claim, or unpack to, very large pictures and arrays."""

from __future__ import annotations

import struct
import zipfile
import zlib
from fractions import Fraction
from typing import TYPE_CHECKING

import av

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["npz_bomb", "png_bomb", "video_bomb"]


def video_bomb(path: Path, width: int, height: int, n_rows: int | None = None) -> Path:
    """A mov of two such PNG pictures, which says itself that they have 64 x 64."""
    picture = png_bomb(path, width, height, n_rows).read_bytes()
    with av.open(str(path), "w", format="mov") as container:
        stream = container.add_stream("png", rate=24)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "gray"
        for number in range(2):
            packet = av.Packet(picture)
            packet.stream, packet.pts, packet.dts = stream, number, number
            packet.time_base, packet.is_keyframe = Fraction(1, 24), True
            container.mux(packet)
    return path


def png_bomb(path: Path, width: int, height: int, n_rows: int | None = None) -> Path:
    """A black picture of 1 bit a pixel; `n_rows`: so many of them only, whatever it claims."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        end = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + end

    packer = zlib.compressobj(9)
    row = bytes(1 + (width + 7) // 8)
    rows = b"".join(packer.compress(row) for _ in range(height if n_rows is None else n_rows))
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header), chunk(b"IDAT", rows + packer.flush()), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def npz_bomb(path: Path) -> Path:
    """A `.npz` of a few kB, whose three arrays are said to have 4 GB each."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "abc":
            archive.writestr(f"{name}.npy", bytes(1 << 20))
    said, claimed = struct.pack("<I", 1 << 20), struct.pack("<I", (1 << 32) - 2)
    path.write_bytes(path.read_bytes().replace(said, claimed))
    return path
