"""Clips whose frames carry their number: as a grey in the picture, as the column of a jump in the
depth. So all that shows a frame can be asked which one it is."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.extension.pictures import workbench_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "N",
    "grey_number",
    "number_of_holes",
    "number_of_picture",
    "number_of_points",
    "numbers_of_movie",
    "turn_clip",
    "write_clip",
    "write_depth",
]

N = 12  # frames
SIZE = (64, 48)  # (W, H) of what is encoded
_USUAL_CODEC = ("libx264", {"qp": "0", "g": "4"})
_CODECS = {".webm": ("libvpx-vp9", {"lossless": "1", "lag-in-frames": "0", "g": "4"})}
_UNIT = Fraction(1, 90_000)  # of times
_DARKEST, _STEP = 20, 15  # greys
_FIRST_COLUMN, _COLUMNS = 8, 3  # of the jump in depth


def write_clip(path: Path, times: Sequence[int], *, rate: Fraction = Fraction(30)) -> Path:
    """Frame k is a grey of 20 + 15 k and is shown at times[k], in 90 000ths of a second."""
    av = pytest.importorskip("av")
    codec, options = _CODECS.get(path.suffix, _USUAL_CODEC)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        (stream.width, stream.height), stream.pix_fmt = SIZE, "yuv420p"
        stream.codec_context.time_base = _UNIT
        for k, time in enumerate(times):
            picture = np.full((*SIZE[::-1], 3), _DARKEST + _STEP * k, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = time, _UNIT
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def turn_clip(path: Path) -> Path:
    """Let an MP4 say that it is to be shown turned by a quarter, as phones do."""
    content = bytearray(path.read_bytes())
    box = content.find(b"tkhd")
    matrix = box + 8 + (32 if content[box + 4] else 20) + 16
    one = 0x10000
    turned = (0, one, 0, -one, 0, 0, SIZE[1] * one, 0, 0x40000000)
    struct.pack_into(">9i", content, matrix, *turned)
    path.write_bytes(content)
    return path


def write_depth(path: Path, *, size: tuple[int, int] = SIZE, n_frames: int = N) -> Path:
    """Frame k has a jump behind its column 8 + 3 k."""
    width, height = size
    columns = np.arange(width)
    jumps = _FIRST_COLUMN + _COLUMNS * np.arange(n_frames)
    lines = np.where(columns > jumps[:, None], 8.0, 4.0)
    lens = np.array([[77.0, 0, width / 2], [0, 77, height / 2], [0, 0, 1]])
    depth = np.repeat(lines[:, None], height, axis=1).astype(np.float32)
    np.savez(path, depth=depth, intrinsics=lens)
    return path


def grey_number(picture: np.ndarray) -> int:
    """The number that a picture [H, W, 3], 0..255, carries."""
    return round((float(np.median(picture)) - _DARKEST) / _STEP)


def number_of_picture(bpy: Any, path: Path) -> int:
    """The number of the picture on the mesh as the scene's camera sees it now."""
    return grey_number(workbench_picture(bpy, path))


def number_of_points(bpy: Any, root: Any) -> int:
    """The number of the frame whose points the mesh has now; -1: of none."""
    cache = root.modifiers["EX-4D Positions"]
    content = Path(bpy.path.abspath(cache.filepath)).read_bytes()
    n_vertices, n_frames = struct.unpack("<12siiffi", content[:32])[2::3]
    frames = np.frombuffer(content, "<f4", offset=32).reshape(n_frames, n_vertices, 3)
    shown = _evaluated(bpy, root).vertices
    points = np.empty(3 * len(shown), np.float32)
    shown.foreach_get("co", points)
    errors = np.abs(frames - points.reshape(-1, 3)).max(axis=(1, 2))
    return int(np.argmin(errors)) if errors.min() < 1e-6 else -1


def number_of_holes(bpy: Any, root: Any) -> int:
    """The number of the frame whose holes the mesh has now; -1: of none."""
    mesh = _evaluated(bpy, root)
    is_hole = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("material_index", is_hole)
    cells = np.empty(2 * len(mesh.polygons), np.float32)
    mesh.attributes["ex4d_cell"].data.foreach_get("vector", cells)
    u, v = cells.reshape(-1, 2).T
    width = len(np.unique(u)) + 1  # pixels
    found = (u * (width - 1) - 0.5)[(is_hole == 1) & (abs(v - 0.5) < 0.3)]
    inside = found[(found > 2) & (found < width - 4)]
    if not len(inside) or np.ptp(inside) > 1:
        return -1
    return round((float(np.mean(inside)) - _FIRST_COLUMN) / _COLUMNS)


def numbers_of_movie(path: Path) -> list[int]:
    """Those of a movie's frames."""
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        return [
            grey_number(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)
        ]


def _evaluated(bpy: Any, root: Any) -> Any:
    return root.evaluated_get(bpy.context.evaluated_depsgraph_get()).data
