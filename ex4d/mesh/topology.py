"""Which vertices make which faces of a DW-mesh, and which faces meet: the same for every frame.

Vertices are the pixels, row by row. A 2x2 block of pixels makes two faces, and two cap faces join
the four corners behind the border ring, so the surface is closed.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

__all__ = ["Topology", "grid_topology", "topology_of"]


@dataclass(frozen=True)
class Topology:
    """Faces of a mesh and their neighbours."""

    faces: np.ndarray  # int32 [F, 3], vertex numbers
    neighbors: np.ndarray  # int32 [F, 3], the face across the edge opposite to each corner, or -1
    on_border: np.ndarray  # bool [F], touches the border ring: the wall and the caps


def topology_of(faces: np.ndarray) -> Topology:
    """Find the neighbours of any triangles int [F, 3]. An edge of three faces or more joins the
    first two of them."""
    faces = np.ascontiguousarray(faces, np.int32)
    n = len(faces)
    ends = np.stack([faces[:, [1, 2, 0]], faces[:, [2, 0, 1]]], axis=-1).reshape(-1, 2)
    key = ends.min(axis=1).astype(np.int64) << 32 | ends.max(axis=1)
    order = np.argsort(key, kind="stable")
    key = key[order]
    same_as_before = np.concatenate([[False], key[1:] == key[:-1]])
    second = same_as_before & ~np.concatenate([[False], same_as_before[:-1]])
    at = np.flatnonzero(second)
    neighbors = np.full(3 * n, -1, np.int32)
    neighbors[order[at]] = order[at - 1] // 3
    neighbors[order[at - 1]] = order[at] // 3
    return Topology(faces, neighbors.reshape(n, 3), np.zeros(n, np.bool_))


@lru_cache(maxsize=4)
def grid_topology(height: int, width: int) -> Topology:
    """The faces of a DW-mesh of height x width pixels: 2 (H-1) (W-1) + 2.

    Front faces run counterclockwise as the source camera sees them, so normals point to it. The
    arrays are shared between calls and cannot be written to.
    """
    vertex = np.arange(height * width, dtype=np.int32).reshape(height, width)
    top_left, top_right = vertex[:-1, :-1], vertex[:-1, 1:]
    bottom_left, bottom_right = vertex[1:, :-1], vertex[1:, 1:]
    upper = np.stack([top_left, bottom_left, top_right], axis=-1)
    lower = np.stack([top_right, bottom_left, bottom_right], axis=-1)
    last = height * width - 1
    caps = [[width - 1, last, 0], [last, last - width + 1, 0]]
    # Both faces of a block follow each other, so that the rasteriser reads vertices in order.
    blocks = np.stack([upper, lower], axis=-2).reshape(-1, 3)
    faces = np.concatenate([blocks, np.array(caps, np.int32)])
    neighbors = topology_of(faces).neighbors
    ring = np.ones((height, width), np.bool_)
    ring[1:-1, 1:-1] = False
    on_border = ring.ravel()[faces].any(axis=1)
    for array in (faces, neighbors, on_border):
        array.setflags(write=False)
    return Topology(faces, neighbors, on_border)
