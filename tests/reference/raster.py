"""The obviously right rasteriser: every pixel's ray against every triangle, in camera space.

A ray through a pixel has direction d = K^-1 (u, v, 1). It meets the triangle p0 p1 p2 where
l0 p0 + l1 p1 + l2 p2 = d with all l >= 0; the depth there is 1 / (l0 + l1 + l2). This holds for
triangles that cross the near plane or surround the camera, so nothing is clipped.
"""

from __future__ import annotations

import numpy as np

OFFSETS_PX = [(0, 0), (1, 1), (1, -1), (-1, 1), (-1, -1)]  # times the tolerance


def trace(vertices, rgba, faces, camera, offset_px=(0.0, 0.0)):
    """Trace one ray a pixel: rgba [H, W, 4] (linear between vertices), disparity, face [H, W]."""
    corners = vertices.astype(np.float64) @ camera.mesh_to_camera[:3, :3].T
    corners = corners + camera.mesh_to_camera[:3, 3]
    u, v = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    pixels = np.stack([u + offset_px[0], v + offset_px[1], np.ones_like(u)], axis=-1)
    rays = pixels @ np.linalg.inv(camera.intrinsics).T
    disparity = np.zeros(u.shape)
    face_of = np.full(u.shape, -1)
    color = np.zeros((*u.shape, 4))
    for number, face in enumerate(faces):
        matrix = corners[face].T
        if abs(np.linalg.det(matrix)) < 1e-12:
            continue  # the camera lies in the triangle's plane
        weights = rays @ np.linalg.inv(matrix).T
        total = weights.sum(axis=-1)
        hit = (weights >= 0).all(axis=-1) & (total > disparity)
        hit &= (total <= 1 / camera.near) & (total >= 1 / camera.far)
        disparity[hit] = total[hit]
        face_of[hit] = number
        share = weights[hit] / total[hit, None]
        color[hit] = share @ rgba[face].astype(np.float64)
    return color, disparity, face_of


def trace_around(vertices, rgba, faces, camera, tolerance_px):
    """Trace five rays a pixel, `tolerance_px` apart: colour range, disparity, face, steady.

    `steady` [H, W] marks the pixels where all five meet the same face: no edge is that near.
    """
    traced = [
        trace(vertices, rgba, faces, camera, (tolerance_px * dx, tolerance_px * dy))
        for dx, dy in OFFSETS_PX
    ]
    colors = np.stack([color for color, _, _ in traced])
    face_numbers = np.stack([face_of for _, _, face_of in traced])
    steady = (face_numbers == face_numbers[0]).all(axis=0)
    return (colors.min(axis=0), colors.max(axis=0)), traced[0][1], face_numbers[0], steady


def near_edges(vertices, faces, camera, tolerance_px):
    """Pixels [H, W] whose centre lies within `tolerance_px` of any face's edge; all before the
    camera."""
    corners = vertices.astype(np.float64) @ camera.mesh_to_camera[:3, :3].T
    projected = (corners + camera.mesh_to_camera[:3, 3]) @ camera.intrinsics.T
    screen = projected[:, :2] / projected[:, 2:]
    u, v = np.meshgrid(np.arange(camera.width) + 0.5, np.arange(camera.height) + 0.5)
    pixels = np.stack([u, v], axis=-1)
    near = np.zeros(u.shape, bool)
    for face in faces:
        for a, b in zip(screen[face], screen[np.roll(face, 1)], strict=True):
            share = np.clip(((pixels - a) @ (b - a)) / max((b - a) @ (b - a), 1e-30), 0, 1)
            distance = np.linalg.norm(pixels - a - share[..., None] * (b - a), axis=-1)
            near |= distance < tolerance_px
    return near


def antialias(rendering, mesh, camera):
    """Blend across silhouette edges, pixel pair by pixel pair, with unrounded geometry.

    A pair is blended by where the nearer face's outline leaves it on the way to the other pixel.
    """
    corners = mesh.vertices.astype(np.float64) @ camera.mesh_to_camera[:3, :3].T
    projected = (corners + camera.mesh_to_camera[:3, 3]) @ camera.intrinsics.T
    screen = projected[:, :2] / projected[:, 2:]
    faces, neighbors = mesh.topology.faces, mesh.topology.neighbors
    points = screen[faces]
    edge1, edge2 = points[:, 1] - points[:, 0], points[:, 2] - points[:, 0]
    facing = np.sign(edge1[:, 0] * edge2[:, 1] - edge1[:, 1] * edge2[:, 0])
    color = rendering.rgba.astype(np.float64)
    blended = color.copy()
    height, width = rendering.face.shape
    for axis, (down, right) in enumerate([(0, 1), (1, 0)]):
        for row in range(height - down):
            for column in range(width - right):
                pair = [(row, column), (row + down, column + right)]
                near, far = sorted(pair, key=lambda pixel: -rendering.disparity[pixel])
                face = rendering.face[near]
                if face < 0 or rendering.face[near] == rendering.face[far]:
                    continue
                direction = 1 if near == pair[0] else -1
                center = np.array([near[1] + 0.5, near[0] + 0.5])
                leaves = []
                for edge in range(3):
                    a = screen[faces[face, (edge + 1) % 3]] - center
                    b = screen[faces[face, (edge + 2) % 3]] - center
                    across = 1 - axis
                    if (a[across] >= 0) == (b[across] >= 0):
                        continue
                    t = a[across] / (a[across] - b[across])
                    other = neighbors[face, edge]
                    outline = other < 0 or facing[other] != facing[face]
                    steep = abs(b[across] - a[across]) >= abs(b[axis] - a[axis])
                    distance = direction * (a[axis] + t * (b[axis] - a[axis]))
                    leaves.append((distance, outline and steep))
                if not leaves:
                    continue
                distance, counts = max(leaves)
                if counts and -1 / 16 < distance < 17 / 16:
                    share = min(max(distance, 0), 1) - 0.5
                    changed = far if share > 0 else near
                    blended[changed] += share * (color[near] - color[far])
    return blended
