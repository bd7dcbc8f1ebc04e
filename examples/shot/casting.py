"""Exact depth and visibility: a ray through every pixel centre, at the geometry that is rendered.

Cameras here are camera_to_world, [4, 4], OpenCV axes, in Blender's world, metres.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import bpy
import numpy as np
from mathutils import Matrix, Vector
from mathutils.bvhtree import BVHTree

if TYPE_CHECKING:
    from collections.abc import Iterator

DEPTH_BITS = 12  # of the mantissa: relative error at most 2^-12, and a small file
RAY_OFFSET_M = 1e-3


class Caster:
    """The scene as it stands now, ready for rays."""

    def __init__(self, size: tuple[int, int], intrinsics: np.ndarray) -> None:
        self._size, self._intrinsics = size, intrinsics
        graph = bpy.context.evaluated_depsgraph_get()
        vertices, triangles = [], []
        for instance in graph.object_instances:
            if instance.object.type != "MESH":
                continue
            mesh = instance.object.to_mesh()
            points = np.empty(3 * len(mesh.vertices), dtype="f4")
            mesh.vertices.foreach_get("co", points)
            corners = np.empty(3 * len(mesh.loop_triangles), dtype="i4")
            mesh.loop_triangles.foreach_get("vertices", corners)
            to_world = np.array(instance.matrix_world)
            triangles.append(corners.reshape(-1, 3) + sum(map(len, vertices)))
            vertices.append(points.reshape(-1, 3) @ to_world[:3, :3].T + to_world[:3, 3])
            instance.object.to_mesh_clear()
        self._tree = BVHTree.FromPolygons(
            np.concatenate(vertices).tolist(),
            np.concatenate(triangles).tolist(),
            all_triangles=True,
        )

    def pixels(self, camera_to_world: np.ndarray) -> Iterator[tuple[int, int, Vector, Vector]]:
        """Yield (row, column, point, normal towards the camera) for every pixel centre.

        Raises RuntimeError when a ray meets nothing: the set must be closed.
        """
        width, height = self._size
        rows, columns = np.mgrid[:height, :width]
        centres = np.stack([columns + 0.5, rows + 0.5, np.ones(rows.shape)], axis=-1)
        rays = centres @ np.linalg.inv(self._intrinsics).T @ camera_to_world[:3, :3].T
        spot = Vector(camera_to_world[:3, 3])
        for row in range(height):
            for column in range(width):
                ray = Vector(rays[row, column])
                point, normal, _, _ = self._tree.ray_cast(spot, ray)
                if point is None:
                    raise RuntimeError(f"the ray of row {row}, column {column} meets nothing")
                yield row, column, point, normal if normal.dot(ray) < 0 else -normal

    def depth(self, source_to_world: np.ndarray) -> np.ndarray:  # [H, W] float32
        """Measure z-depth at every pixel centre of the source, to DEPTH_BITS bits."""
        depth = np.empty(self._size[::-1])
        spot, forward = Vector(source_to_world[:3, 3]), Vector(source_to_world[:3, 2])
        for row, column, point, _ in self.pixels(source_to_world):
            depth[row, column] = (point - spot).dot(forward)
        mantissa, exponent = np.frexp(depth)
        return np.ldexp(np.round(mantissa * 2**DEPTH_BITS) / 2**DEPTH_BITS, exponent).astype("f4")

    def seen(
        self, camera_to_world: np.ndarray, other_to_world: np.ndarray
    ) -> np.ndarray:  # [H, W] bool
        """Tell for every pixel of one camera whether the other sees that point too."""
        width, height = self._size
        seen = np.zeros((height, width), dtype=bool)
        spot = Vector(other_to_world[:3, 3])
        projection = np.vstack([self._intrinsics @ np.linalg.inv(other_to_world)[:3], [0, 0, 0, 1]])
        to_image = Matrix(projection.tolist())
        for row, column, point, normal in self.pixels(camera_to_world):
            u, v, z, _ = to_image @ point.to_4d()
            to_other = spot - point
            inside = z > 0 and 0 <= u <= width * z and 0 <= v <= height * z
            if not inside or normal.dot(to_other) <= 0:  # outside the image, or turned away
                continue
            start = point + normal * RAY_OFFSET_M
            way = spot - start
            seen[row, column] = self._tree.ray_cast(start, way, way.length)[0] is None
        return seen
