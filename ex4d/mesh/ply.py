"""`DW-Mesh.ply`: one frame's mesh with vertex colours, for any 3D viewer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ex4d.errors import InputError
from ex4d.outputs import atomic_path

if TYPE_CHECKING:
    from ex4d.mesh.dw_mesh import DWMesh

__all__ = ["read_ply", "write_ply"]

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


def read_ply(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read a file of `write_ply`: positions float32 [V, 3], rgba uint8 [V, 4], faces int32 [F, 3].

    Raises InputError for any other PLY file.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    header, separator, body = data.partition(b"end_header\n")
    text = (header + separator).decode("ascii", "replace")
    counts = [int(count) for count in re.findall(r"^element \w+ (\d{1,10})$", text, re.MULTILINE)]
    if len(counts) != 2 or text != _HEADER.format(n_vertices=counts[0], n_faces=counts[1]):
        raise InputError(f"{path} is not a DW-mesh PLY file")
    if len(body) != counts[0] * _VERTEX.itemsize + counts[1] * _FACE.itemsize:
        raise InputError(f"{path} is cut short")
    vertices = np.frombuffer(body, _VERTEX, counts[0])
    faces = np.frombuffer(body, _FACE, counts[1], counts[0] * _VERTEX.itemsize)
    return vertices["position"].copy(), vertices["rgba"].copy(), faces["corners"].copy()
