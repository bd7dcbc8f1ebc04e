"""The default rasteriser: numba on CPU cores, one frame a core."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

import numpy as np

from ex4d.raster.antialias import antialias_edges
from ex4d.raster.base import RenderCamera, Rendering, TriangleMesh
from ex4d.raster.clip import adopt_pieces, clip_faces
from ex4d.raster.kernels import project_vertices, raster_faces, shade

__all__ = ["CpuRasterizer", "available_cores"]


@dataclass
class _Buffers:
    """Memory of one thread for meshes and pictures of one size, kept from frame to frame."""

    screen: np.ndarray  # int32 [V, 2]
    disparity: np.ndarray  # float64 [V]
    facing: np.ndarray  # int8 [F]
    to_clip: np.ndarray  # int32 [F]
    color: np.ndarray  # float32 [H, W, 4]

    @classmethod
    def of_size(cls, n_vertices: int, n_faces: int, shape: tuple[int, int]) -> _Buffers:
        return cls(
            screen=np.zeros((n_vertices, 2), np.int32),
            disparity=np.empty(n_vertices, np.float64),
            facing=np.empty(n_faces, np.int8),
            to_clip=np.empty(n_faces, np.int32),
            color=np.empty((*shape, 4), np.float32),
        )


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class CpuRasterizer:
    """Perspective-correct, watertight rendering with a z-buffer and antialiased edges."""

    name = "cpu"

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers or available_cores()
        self._local = threading.local()

    def render(self, mesh: TriangleMesh, camera: RenderCamera) -> Rendering:
        """Draw `mesh` as `camera` sees it."""
        shape = (camera.height, camera.width)
        # Unsigned numbers: numba then does not ask whether an index counts from the end.
        topology = (mesh.topology.faces.view(np.uint32), mesh.topology.neighbors)
        buffers = self._buffers(len(mesh.vertices), len(topology[0]), shape)
        disparity = np.zeros(shape, np.float32)
        face = np.full(shape, -1, np.int32)
        barycentric = np.empty((*shape, 2), np.float32)
        _draw(mesh, camera, buffers, (disparity, face, barycentric))
        rgba = np.empty((*shape, 4), np.float32)
        hole_facing = 1 if camera.back_faces_are_holes else 2  # front faces have -1; none has 2
        color = buffers.color if camera.antialias else rgba
        shade(topology[0], mesh.rgba, buffers.facing, hole_facing, face, barycentric, color)
        if camera.antialias:
            visible = (buffers.screen, buffers.disparity, buffers.facing)
            antialias_edges(topology, visible, (disparity, face), color, rgba)
        return Rendering(rgba, disparity, face, barycentric)

    def _buffers(self, n_vertices: int, n_faces: int, shape: tuple[int, int]) -> _Buffers:
        key = (n_vertices, n_faces, shape)
        if getattr(self._local, "key", None) != key:
            self._local.key = key
            self._local.buffers = _Buffers.of_size(*key)
        buffers: _Buffers = self._local.buffers
        return buffers


def _draw(
    mesh: TriangleMesh,
    camera: RenderCamera,
    buffers: _Buffers,
    nearest: tuple[np.ndarray, np.ndarray, np.ndarray],  # disparity, face, barycentric
) -> None:
    """Find the nearest face of every pixel."""
    faces, facing = mesh.topology.faces.view(np.uint32), buffers.facing
    transform = np.ascontiguousarray(camera.intrinsics @ camera.mesh_to_camera[:3])
    target = (*nearest, np.float32(1.0 / camera.far))
    project_vertices(mesh.vertices, transform, camera.near, buffers.screen, buffers.disparity)
    projected = (buffers.screen, buffers.disparity)
    n_clip = raster_faces(faces, 0, projected, facing, buffers.to_clip, target)
    if n_clip:
        rows = buffers.to_clip[:n_clip]
        *corners, weights, face_of = clip_faces(
            rows, (faces, mesh.vertices), transform, camera.near
        )
        pieces = np.arange(3 * len(face_of), dtype=np.uint32).reshape(-1, 3)
        piece_facing = np.empty(len(pieces), np.int8)
        unused = np.empty(len(pieces), np.int32)
        raster_faces(pieces, len(faces), tuple(corners), piece_facing, unused, target)
        has_area = piece_facing != 0
        facing[face_of[has_area]] = piece_facing[has_area]
        adopt_pieces((weights, face_of), len(faces), nearest[1], nearest[2])
