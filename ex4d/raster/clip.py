"""Faces that cross the near plane or leave the guard band: clipped exactly, then drawn in pieces.

A shared edge is cut at the same point in both of its faces, because a cut is always computed from
the inner corner towards the outer one; so clipping opens no cracks.
"""

from __future__ import annotations

import numpy as np

from ex4d.jit import inlined_kernel, kernel
from ex4d.raster.kernels import GUARD_PX, SUBPIXELS, fill_triangle

__all__ = ["draw_clipped_faces"]

_PLANES = 5  # near, left, right, top, bottom
_MOST_CORNERS = 3 + _PLANES


@inlined_kernel
def _inside(corner, plane, near):
    """Signed distance of a corner (u z, v z, z, ...) to a clipping plane; >= 0 is inside."""
    if plane == 0:
        return corner[2] - near
    if plane == 1:
        return corner[0] + GUARD_PX * corner[2]
    if plane == 2:
        return GUARD_PX * corner[2] - corner[0]
    if plane == 3:
        return corner[1] + GUARD_PX * corner[2]
    return GUARD_PX * corner[2] - corner[1]


@kernel
def _clip_polygon(polygon, count, plane, near, clipped):
    """Cut a polygon [n, 5] (u z, v z, z, two barycentrics) at a plane; return the new count."""
    n = 0
    for i in range(count):
        here, following = polygon[i], polygon[(i + 1) % count]
        d_here, d_following = _inside(here, plane, near), _inside(following, plane, near)
        if d_here >= 0.0:
            clipped[n] = here
            n += 1
        if (d_here >= 0.0) != (d_following >= 0.0):
            inner, outer = (here, following) if d_here >= 0.0 else (following, here)
            d_inner, d_outer = (d_here, d_following) if d_here >= 0.0 else (d_following, d_here)
            t = d_inner / (d_inner - d_outer)
            for k in range(5):
                clipped[n, k] = inner[k] + t * (outer[k] - inner[k])
            if plane == 0:
                clipped[n, 2] = near
            n += 1
    return n


@kernel
def _draw_fan(polygon, count, face, target):
    """Project a clipped polygon and draw it as a fan; return the doubled area of all pieces."""
    x = np.empty(count, np.int64)
    y = np.empty(count, np.int64)
    inverse_z = np.empty(count)
    for i in range(count):
        inverse_z[i] = 1.0 / polygon[i, 2]
        x[i] = np.int64(np.floor(polygon[i, 0] * inverse_z[i] * SUBPIXELS + 0.5))
        y[i] = np.int64(np.floor(polygon[i, 1] * inverse_z[i] * SUBPIXELS + 0.5))
    weights = np.empty((3, 2))
    area = np.int64(0)
    for i in range(1, count - 1):
        weights[0] = polygon[0, 3:]
        weights[1] = polygon[i, 3:]
        weights[2] = polygon[i + 1, 3:]
        area += fill_triangle(
            (x[0], x[i], x[i + 1]),
            (y[0], y[i], y[i + 1]),
            (inverse_z[0], inverse_z[i], inverse_z[i + 1]),
            weights,
            face,
            target,
        )
    return area


@kernel
def draw_clipped_faces(to_clip, faces, vertices, transform, near, facing, target):
    """Clip and draw the faces numbered in `to_clip` int32 [n], and set their `facing`.

    `transform` and `target` as in `ex4d.raster.kernels`.
    """
    polygon = np.empty((_MOST_CORNERS, 5))
    clipped = np.empty((_MOST_CORNERS, 5))
    for face in to_clip:
        for corner in range(3):
            vertex = vertices[faces[face, corner]]
            for k in range(3):
                polygon[corner, k] = (
                    transform[k, 0] * vertex[0]
                    + transform[k, 1] * vertex[1]
                    + transform[k, 2] * vertex[2]
                    + transform[k, 3]
                )
            polygon[corner, 3] = 1.0 if corner == 1 else 0.0
            polygon[corner, 4] = 1.0 if corner == 2 else 0.0
        count = 3
        for plane in range(_PLANES):
            count = _clip_polygon(polygon, count, plane, near, clipped)
            polygon, clipped = clipped, polygon
            if count == 0:
                break
        if count >= 3:
            area = _draw_fan(polygon, count, face, target)
            facing[face] = -1 if area < 0 else 1
