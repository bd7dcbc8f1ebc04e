"""The vertices, faces and texture coordinates of a grid as a mesh of Blender's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .holes import add_cells

if TYPE_CHECKING:
    import bpy

    from ..jobs.reconstruction import Grid

__all__ = ["fill_mesh"]


def fill_mesh(
    mesh: bpy.types.Mesh,
    grid: Grid,
    positions: np.ndarray,  # float32 [rows * columns, 3]
) -> None:
    """Replace a mesh's geometry by the faces of a grid."""
    mesh.clear_geometry()
    quads, caps = grid.quads(), grid.caps()
    corners = np.concatenate([quads.ravel(), caps.ravel()])
    starts = np.concatenate([np.arange(len(quads)) * 4, quads.size + np.arange(len(caps)) * 3])
    mesh.vertices.add(grid.n_vertices)
    mesh.vertices.foreach_set("co", positions.ravel())
    mesh.loops.add(len(corners))
    mesh.loops.foreach_set("vertex_index", corners)
    mesh.polygons.add(len(starts))
    mesh.polygons.foreach_set("loop_start", starts.astype(np.int32))
    mesh.update(calc_edges=True)
    coordinates = grid.texture_coordinates()[corners]
    coordinates[quads.size :] = coordinates[0]  # caps are holes: one texel of the border
    layer = mesh.uv_layers.new(name="UVMap")
    layer.uv.foreach_set("vector", coordinates.ravel())
    add_cells(mesh, grid)
