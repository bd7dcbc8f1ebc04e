"""Faces that cross the near plane or leave the guard band, cut into pieces that do not.

A shared edge is cut at the same point in both of its faces, because a cut is always computed from
the inner corner towards the outer one; so clipping opens no cracks.
"""

from __future__ import annotations

import numpy as np

from ex4d.raster.kernels import GUARD_PX, SUBPIXELS
from ex4d.runtime.jit import inlined_kernel, kernel

__all__ = ["adopt_pieces", "clip_faces"]

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
def clip_faces(to_clip, mesh, transform, near):
    """Cut the faces in rows `to_clip` int32 [n] of a mesh (faces, vertices) into triangles.

    Returns what `raster_faces` draws, corners [3 P] of P pieces: screen int32 [3 P, 2], disparity
    float64 [3 P]; further weights [3 P, 2], the face's own barycentric coordinates 1 and 2 at each
    corner, and face_of int32 [P]. `transform` [3, 4] as in `project_vertices`.
    """
    faces, vertices = mesh
    most = to_clip.shape[0] * (_MOST_CORNERS - 2)
    screen = np.empty((3 * most, 2), np.int32)
    disparity = np.empty(3 * most)
    weights = np.empty((3 * most, 2))
    face_of = np.empty(most, np.int32)
    polygon, clipped = np.empty((_MOST_CORNERS, 5)), np.empty((_MOST_CORNERS, 5))
    n = 0
    for face in to_clip:
        for corner in range(3):
            vertex = vertices[faces[face, corner]]
            for k in range(3):
                row = transform[k]
                polygon[corner, k] = row[0] * vertex[0] + row[1] * vertex[1]
                polygon[corner, k] += row[2] * vertex[2] + row[3]
            polygon[corner, 3] = 1.0 if corner == 1 else 0.0
            polygon[corner, 4] = 1.0 if corner == 2 else 0.0
        count = 3
        for plane in range(_PLANES):
            count = _clip_polygon(polygon, count, plane, near, clipped)
            polygon, clipped = clipped, polygon
        for i in range(1, count - 1):
            for corner, k in enumerate((0, i, i + 1)):
                inverse_z = 1.0 / polygon[k, 2]
                at = 3 * n + corner
                screen[at, 0] = np.int32(np.floor(polygon[k, 0] * inverse_z * SUBPIXELS + 0.5))
                screen[at, 1] = np.int32(np.floor(polygon[k, 1] * inverse_z * SUBPIXELS + 0.5))
                disparity[at] = inverse_z
                weights[at] = polygon[k, 3:]
            face_of[n] = face
            n += 1
    return screen[: 3 * n], disparity[: 3 * n], weights[: 3 * n], face_of[:n]


@kernel
def adopt_pieces(pieces, first_number, best_face, barycentric):
    """Turn piece numbers, counted from `first_number`, and their barycentric coordinates in a
    picture [H, W] into those of the faces they were cut from. pieces: (weights, face_of)."""
    weights, face_of = pieces
    for row in range(best_face.shape[0]):
        for column in range(best_face.shape[1]):
            piece = best_face[row, column] - first_number
            if piece < 0:
                continue
            b1, b2 = barycentric[row, column, 0], barycentric[row, column, 1]
            b0 = np.float32(1.0) - b1 - b2
            for k in range(2):
                barycentric[row, column, k] = (
                    b0 * weights[3 * piece, k]
                    + b1 * weights[3 * piece + 1, k]
                    + b2 * weights[3 * piece + 2, k]
                )
            best_face[row, column] = face_of[piece]
