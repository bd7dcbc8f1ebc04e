"""Masks from a clip's geometry: what another camera sees of every frame.

A rendering mask is the moved camera's own picture, a re-projection mask is aligned with the source:
the one tells where the picture shows the source, the other which pixels of the source it shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ex4d.conditions.render import render_conditions, run_frames, stands_at_source
from ex4d.runtime.jit import kernel

if TYPE_CHECKING:
    from ex4d.camera.trajectory import Trajectory
    from ex4d.conditions.scene import Scene
    from ex4d.raster.base import Rasterizer

__all__ = ["rendering_mask", "reprojection_mask"]

# What hides a point is nearer by more than this. A slope is less within half a pixel, up to 86
# degrees at f = 500 px.
_NEARER = 1.02


def rendering_mask(scene: Scene, trajectory: Trajectory, rasterizer: Rasterizer) -> np.ndarray:
    """The mask bool [T, H, W] of the conditions along a path, exactly as at inference.

    A path that never leaves the source hides nothing.
    """
    if all(stands_at_source(scene, trajectory, frame) for frame in range(len(trajectory))):
        return np.ones((len(trajectory), *trajectory.size[::-1]), np.bool_)
    return render_conditions(scene, trajectory, rasterizer).mask


def reprojection_mask(scene: Scene, trajectory: Trajectory, rasterizer: Rasterizer) -> np.ndarray:
    """Which pixels of each source frame the moved camera still sees, bool [T, H, W].

    A pixel is seen when its point lies before the camera, inside its picture, and no surface of the
    DW-mesh there is nearer by more than 2 %. The mesh's occluders hide too, as they do in a
    rendering mask; the points at their rims and on the border ring count like any other.
    """
    height, width = scene.depth.shape[1:]
    mask = np.empty((len(trajectory), height, width), np.bool_)

    def look_back(frame: int) -> None:
        source_frame = int(trajectory.source_frames[frame])
        camera = scene.camera(trajectory, frame, source_frame, antialias=False)
        disparity = rasterizer.render(scene.mesh(source_frame), camera).disparity
        unproject = np.linalg.inv(scene.intrinsics[source_frame])
        rays_to_picture = camera.intrinsics @ camera.mesh_to_camera[:3, :3] @ unproject
        to_picture = np.column_stack(
            [rays_to_picture, camera.intrinsics @ camera.mesh_to_camera[:3, 3]]
        )
        shown = (disparity, camera.near)
        _find_seen(scene.depth[source_frame], to_picture, shown, mask[frame])

    run_frames(look_back, len(trajectory), rasterizer.workers)
    return mask


@kernel
def _find_seen(depth, to_picture, shown, mask):
    """Mark in `mask` [H, W] the pixels of a frame that another picture shows.

    to_picture [3, 4]: from (u z, v z, z, 1) of the frame, depth [H, W], to those of the picture.
    shown: the picture's (disparity of the nearest surface [h, w], near plane).
    """
    nearest, near = shown
    for row in range(depth.shape[0]):
        for column in range(depth.shape[1]):
            z = np.float64(depth[row, column])
            point = to_picture[:, 0] * (column + 0.5) + to_picture[:, 1] * (row + 0.5)
            point = (point + to_picture[:, 2]) * z + to_picture[:, 3]
            mask[row, column] = False
            if point[2] <= near:
                continue
            u, v = point[0] / point[2], point[1] / point[2]
            if 0 <= u < nearest.shape[1] and 0 <= v < nearest.shape[0]:
                mask[row, column] = nearest[int(v), int(u)] * point[2] <= _NEARER
