"""`DW-Mesh.ply`: one frame's mesh with vertex colours, for any 3D viewer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ex4d.files.outputs import atomic_path

if TYPE_CHECKING:
    from ex4d.mesh.dw_mesh import DWMesh

__all__ = ["write_ply"]

_VERTEX = np.dtype([("position", "<f4", 3), ("rgba", "u1", 4)])
_FACE = np.dtype([("count", "u1"), ("corners", "<i4", 3)])
_HEADER = """ply
format binary_little_endian 1.0
comment EX-4D depth watertight mesh: x right, y down, z forward; alpha 0 marks a hole
element vertex {n_vertices}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
property uchar alpha
element face {n_faces}
property list uchar int vertex_indices
end_header
"""


def write_ply(path: Path, mesh: DWMesh, mesh_to_world: np.ndarray | None = None) -> None:
    """Write a mesh as binary PLY, in the frame that `mesh_to_world` [4, 4] leads to.

    Raises OutputError.
    """
    positions = mesh.vertices
    if mesh_to_world is not None:
        positions = positions @ mesh_to_world[:3, :3].T + mesh_to_world[:3, 3]
    vertices = np.empty(len(positions), _VERTEX)
    vertices["position"], vertices["rgba"] = positions, mesh.rgba
    faces = np.empty(len(mesh.topology.faces), _FACE)
    faces["count"], faces["corners"] = 3, mesh.topology.faces
    header = _HEADER.format(n_vertices=len(vertices), n_faces=len(faces))
    with atomic_path(Path(path)) as temporary, temporary.open("wb") as file:
        file.write(header.encode("ascii"))
        file.write(vertices.tobytes())
        file.write(faces.tobytes())
