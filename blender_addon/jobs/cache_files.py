"""The files that the mesh plays from: positions (PC2) and one mask of holes per frame (PNG).

Blender reads both without Python. It says nothing when one is missing or cut, so this does.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import CacheError
from .reconstruction import Grid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from .reconstruction import Reconstruction

__all__ = [
    "CacheFiles",
    "cached_positions",
    "check_cache",
    "write_cache",
    "write_pc2",
    "write_png",
]

_HEADER = struct.Struct("<12siiffi")
_MAGIC = b"POINTCACHE2\0"


@dataclass(frozen=True)
class CacheFiles:
    """A reconstruction as Blender plays it."""

    positions: Path  # PC2
    masks: tuple[Path, ...]  # PNG, one per frame, numbered from 0: white where a block is a hole
    grid: Grid
    n_frames: int


def write_cache(
    reconstruction: Reconstruction,
    folder: Path,
    name: str,
    *,
    stride: int = 1,
    progress: Callable[[int, int], None] | None = None,  # frames done, frames in all
) -> CacheFiles:
    """Write positions and masks of a clip into a folder, frame by frame; needs no Blender.

    Nothing half-written stays under a final name. Raises CacheError when the disk refuses.
    """
    grid = Grid(reconstruction.size, stride)
    positions = folder / f"{name}.pc2"
    masks = tuple(folder / f"{name}_holes_{i:05d}.png" for i in range(reconstruction.n_frames))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for frame, path in enumerate(masks):
            write_png(path, reconstruction.hole_cells(frame, grid))
        write_pc2(positions, reconstruction, grid, progress=progress)
    except OSError as error:
        raise CacheError(f"The mesh could not be written to {folder}: {error.strerror}.") from error
    return CacheFiles(positions, masks, grid, reconstruction.n_frames)


def write_pc2(
    path: Path,
    reconstruction: Reconstruction,
    grid: Grid,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write the positions of all frames as PC2, holding one frame in memory."""
    part = path.with_name(path.name + ".part")
    n_frames = reconstruction.n_frames
    try:
        with part.open("wb") as file:
            file.write(_HEADER.pack(_MAGIC, 1, grid.n_vertices, 0.0, 1.0, n_frames))
            for frame in range(n_frames):
                file.write(reconstruction.vertices(frame, grid).astype("<f4", copy=False).data)
                if progress:
                    progress(frame + 1, n_frames)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_png(path: Path, mask: np.ndarray) -> None:
    """Write a mask bool [H, W] as a black and white PNG of one bit per pixel."""
    height, width = mask.shape
    lines = np.packbits(mask, axis=1)
    lines = np.concatenate([np.zeros((height, 1), np.uint8), lines], axis=1)  # no filter
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    data = zlib.compress(lines.tobytes(), 1)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    content = b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def check_cache(files: CacheFiles) -> None:
    """Raise CacheError, naming the file, when one is missing, cut or made for another mesh."""
    expected = _HEADER.size + 12 * files.grid.n_vertices * files.n_frames
    path = files.positions
    if not path.is_file():
        raise CacheError(f"The mesh's positions are missing: {path}. Import the shot again.")
    size = path.stat().st_size
    if size != expected:
        raise CacheError(
            f"The mesh's positions in {path} have {size} bytes instead of {expected}: the file was "
            "cut or belongs to another clip. Import the shot again."
        )
    with path.open("rb") as file:
        magic, _, n_vertices, _, _, n_frames = _HEADER.unpack(file.read(_HEADER.size))
    if (magic, n_vertices, n_frames) != (_MAGIC, files.grid.n_vertices, files.n_frames):
        raise CacheError(f"{path} holds no positions of this mesh. Import the shot again.")
    for mask in files.masks:
        if not mask.is_file():
            raise CacheError(f"A picture of the holes is missing: {mask}. Import the shot again.")


def cached_positions(path: Path, n_vertices: int) -> np.ndarray | None:
    """The positions [N, V, 3] of a PC2 file, read where they are looked at; None where there is no
    file of a mesh of so many vertices."""
    try:
        with path.open("rb") as file:
            magic, _, count, _, _, n_frames = _HEADER.unpack(file.read(_HEADER.size))
        if (magic, count) != (_MAGIC, n_vertices) or n_frames < 1:
            return None
        shape = n_frames, n_vertices, 3
        return np.memmap(path, "<f4", mode="r", offset=_HEADER.size, shape=shape)
    except (OSError, ValueError, struct.error):
        return None
