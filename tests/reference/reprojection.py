"""Obviously right re-projection: every pixel's point carried to the other camera, and the ray of
the pixel where it lands held against every triangle of the DW-mesh."""

from __future__ import annotations

import numpy as np


def still_seen(depth, intrinsics, mesh, camera, offset_px=(0.0, 0.0)):
    """Which pixels bool [H, W] of depth [H, W] the camera sees; `offset_px` moves its rays."""
    seen = np.zeros(depth.shape, bool)
    to_camera = camera.mesh_to_camera
    corners = mesh.vertices.astype(np.float64) @ to_camera[:3, :3].T + to_camera[:3, 3]
    triangles = corners[mesh.topology.faces].swapaxes(1, 2)
    inverses = np.linalg.inv(triangles[np.abs(np.linalg.det(triangles)) > 1e-12])
    to_ray = np.linalg.inv(camera.intrinsics)
    for row, column in np.ndindex(depth.shape):
        ray = np.linalg.inv(intrinsics) @ [column + 0.5, row + 0.5, 1]
        point = to_camera[:3, :3] @ (ray * depth[row, column]) + to_camera[:3, 3]
        if point[2] <= camera.near:
            continue
        u, v = (camera.intrinsics @ point)[:2] / point[2]
        if not (0 <= u < camera.width and 0 <= v < camera.height):
            continue
        pixel = [int(u) + 0.5 + offset_px[0], int(v) + 0.5 + offset_px[1], 1]
        weights = inverses @ to_ray @ pixel  # of the triangles' corners; their sum is 1 / z
        hit = (weights >= 0).all(axis=1) & (weights.sum(axis=1) <= 1 / camera.near)
        nearest = weights[hit].sum(axis=1).max(initial=0)
        seen[row, column] = nearest * point[2] <= 1.02
    return seen
