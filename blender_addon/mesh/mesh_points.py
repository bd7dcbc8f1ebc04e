"""Some points of a mesh that plays from a file, without Blender's evaluating it."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np

from ..jobs.cache_files import cached_positions
from .shot_start import CACHE_MODIFIER

__all__ = ["mesh_points"]

_MOST = 500  # of a mesh's vertices, at random


def mesh_points(mesh: bpy.types.Object, n_frames: int) -> np.ndarray:
    """Points [N, P, 3] in the mesh's own axes, at as many frames from its first on; those of its
    base mesh where the file of its positions is missing or another mesh's."""
    count = len(mesh.data.vertices)
    chosen = np.sort(np.random.default_rng(0).permutation(count)[:_MOST])
    cache = mesh.modifiers.get(CACHE_MODIFIER)
    if cache is not None and cache.type == "MESH_CACHE":
        path = Path(bpy.path.abspath(cache.filepath, library=mesh.library))
        positions = cached_positions(path, count)
        if positions is not None:
            frames = np.minimum(np.arange(n_frames), len(positions) - 1)
            return np.stack([positions[frame][chosen] for frame in frames]).astype(np.float64)
    base = np.empty(3 * count, np.float32)
    mesh.data.vertices.foreach_get("co", base)
    points = base.reshape(-1, 3)[chosen].astype(np.float64)
    return np.broadcast_to(points, (n_frames, *points.shape))
