"""The depth watertight mesh (DW-mesh) of one frame.

Every pixel is a vertex; the outermost ring of pixels lies at the border depth, behind everything,
and cap faces close the mesh there. Faces across depth jumps stay as opaque occluders: their
vertices get alpha 0, so that they render as holes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from ex4d.convention import EXACT, Convention
from ex4d.errors import DepthError
from ex4d.mesh.topology import Topology, grid_topology
from ex4d.runtime.jit import inlined_kernel, kernel

__all__ = ["DWMesh", "MeshSettings", "build_mesh", "unproject"]


@dataclass(frozen=True)
class MeshSettings:
    """How frames of one clip become meshes."""

    intrinsics: np.ndarray  # [3, 3], pixels of the frame's size
    border_depth: float  # beyond the farthest depth of the clip
    min_face_angle_deg: float = 2.5  # a face with a smaller angle spans a depth jump
    convention: Convention = EXACT


@dataclass(frozen=True)
class DWMesh:
    """One frame's mesh in the frame of its source camera (x right, y down, z forward)."""

    vertices: np.ndarray  # float32 [H * W, 3]
    rgba: np.ndarray  # uint8 [H * W, 4]; alpha 255, or all four 0 at a hole
    topology: Topology


def unproject(depth: np.ndarray, intrinsics: np.ndarray, pixel_center: float = 0.5) -> np.ndarray:
    """Turn z-depth [H, W] into points float32 [H, W, 3] of the camera's frame.

    point = depth * ((column + pixel_center - cx) / fx, (row + pixel_center - cy) / fy, 1)
    """
    height, width = depth.shape
    points = np.empty((height, width, 3), np.float32)
    x = (np.arange(width) + pixel_center - intrinsics[0, 2]) / intrinsics[0, 0]
    y = (np.arange(height) + pixel_center - intrinsics[1, 2]) / intrinsics[1, 1]
    np.multiply(depth, x[None, :].astype(np.float32), out=points[..., 0])
    np.multiply(depth, y[:, None].astype(np.float32), out=points[..., 1])
    points[..., 2] = depth
    return points


@inlined_kernel
def _squared_distance(points, row0, column0, row1, column1):
    dx = np.float64(points[row0, column0, 0] - points[row1, column1, 0])
    dy = np.float64(points[row0, column0, 1] - points[row1, column1, 1])
    dz = np.float64(points[row0, column0, 2] - points[row1, column1, 2])
    return dx * dx + dy * dy + dz * dz


@inlined_kernel
def _is_sliver(a, b, c, limit):
    """Whether a triangle with squared sides a, b, c has an angle whose squared cosine, times 4,
    exceeds `limit`.

    The smallest angle lies between the two longer sides; law of cosines, without square roots.
    """
    if a < b:
        a, b = b, a
    if b < c:
        b, c = c, b
    twice_dot = a + b - c
    return twice_dot > 0.0 and twice_dot * twice_dot > limit * a * b


@kernel
def _cut_holes(points, rgba, limit, ring_is_hole):
    """Set rgba [H, W, 4] to 0 at the vertices of every face that spans a depth jump."""
    height, width = points.shape[:2]
    for row in range(height - 1):
        ring_row = ring_is_hole and (row == 0 or row == height - 2)
        left = _squared_distance(points, row, 0, row + 1, 0)
        for column in range(width - 1):
            ring = ring_row or (ring_is_hole and (column == 0 or column == width - 2))
            right = _squared_distance(points, row, column + 1, row + 1, column + 1)
            top = _squared_distance(points, row, column, row, column + 1)
            bottom = _squared_distance(points, row + 1, column, row + 1, column + 1)
            diagonal = _squared_distance(points, row + 1, column, row, column + 1)
            upper = ring or _is_sliver(left, top, diagonal, limit)
            lower = ring or _is_sliver(right, bottom, diagonal, limit)
            left = right
            if upper or lower:
                for k in range(4):
                    rgba[row, column + 1, k] = 0
                    rgba[row + 1, column, k] = 0
                    if upper:
                        rgba[row, column, k] = 0
                    if lower:
                        rgba[row + 1, column + 1, k] = 0


def build_mesh(rgb: np.ndarray, depth: np.ndarray, settings: MeshSettings) -> DWMesh:
    """Make the DW-mesh of one frame: rgb uint8 [H, W, 3], depth [H, W], all of it known.

    Raises DepthError when the picture is too small for a border ring around something.
    """
    height, width = depth.shape
    if min(height, width) < 5:
        raise DepthError(f"a DW-mesh needs at least 5x5 pixels, this frame has {width}x{height}")
    ringed = np.full((height, width), settings.border_depth, np.float32)
    ringed[1:-1, 1:-1] = depth[1:-1, 1:-1]
    points = unproject(ringed, settings.intrinsics, settings.convention.pixel_center)
    rgba = cv2.cvtColor(rgb, cv2.COLOR_RGB2RGBA)  # alpha 255; several times faster than numpy
    limit = 4 * math.cos(math.radians(settings.min_face_angle_deg)) ** 2
    _cut_holes(points, rgba, limit, not settings.convention.is_upstream)
    return DWMesh(points.reshape(-1, 3), rgba.reshape(-1, 4), grid_topology(height, width))
