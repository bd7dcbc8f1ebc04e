"""The default rasteriser: numba on CPU cores, one frame a core."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

import numpy as np

from ex4d.raster.antialias import antialias_edges
from ex4d.raster.base import RenderCamera, Rendering, TriangleMesh
from ex4d.raster.clip import draw_clipped_faces
from ex4d.raster.kernels import project_vertices, raster_faces, shade

__all__ = ["CpuRasterizer", "available_cores"]


@dataclass
class _Buffers:
    """Memory of one thread for meshes and pictures of one size, kept from frame to frame."""

    screen: np.ndarray  # int32 [V, 2]
    disparity: np.ndarray  # float64 [V]
    facing: np.ndarray  # int8 [F]
    to_clip: np.ndarray  # int32 [F]
    has_silhouette: np.ndarray  # bool [H, W]
    color: np.ndarray  # float32 [H, W, 4]

    @classmethod
    def of_size(cls, n_vertices: int, n_faces: int, shape: tuple[int, int]) -> _Buffers:
        return cls(
            screen=np.zeros((n_vertices, 2), np.int32),
            disparity=np.empty(n_vertices, np.float64),
            facing=np.empty(n_faces, np.int8),
            to_clip=np.empty(n_faces, np.int32),
            has_silhouette=np.empty(shape, np.bool_),
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
        topology = (mesh.topology.faces, mesh.topology.neighbors)
        buffers = self._buffers(len(mesh.vertices), len(topology[0]), shape)
        disparity = np.zeros(shape, np.float32)
        face = np.full(shape, -1, np.int32)
        barycentric = np.empty((*shape, 2), np.float32)
        _draw(mesh, camera, buffers, (disparity, face, barycentric))
        rgba = np.empty((*shape, 4), np.float32)
        color = buffers.color if camera.antialias else rgba
        shade(
            topology,
            mesh.rgba,
            buffers.facing,
            1 if camera.back_faces_are_holes else 2,  # front faces have -1; none has 2
            face,
            barycentric,
            color,
            buffers.has_silhouette,
        )
        if camera.antialias:
            antialias_edges(
                topology,
                (buffers.screen, buffers.disparity, buffers.facing),
                (disparity, face, buffers.has_silhouette),
                color,
                rgba,
            )
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
    faces = mesh.topology.faces
    transform = np.ascontiguousarray(camera.intrinsics @ camera.mesh_to_camera[:3])
    least_disparity = np.float32(0.0 if np.isinf(camera.far) else 1.0 / camera.far)
    target = (*nearest, least_disparity)
    screen, disparity, facing = buffers.screen, buffers.disparity, buffers.facing
    project_vertices(mesh.vertices, transform, camera.near, screen, disparity)
    n_clip = raster_faces(faces, screen, disparity, facing, buffers.to_clip, target)
    if n_clip:
        draw_clipped_faces(
            buffers.to_clip[:n_clip], faces, mesh.vertices, transform, camera.near, facing, target
        )
