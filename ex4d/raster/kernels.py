"""The hot loops of the CPU rasteriser: projection, visibility, shading.

Screen coordinates are integers in 1/256 pixel, so that edge functions are exact: with the
top-left rule every sample on a shared edge belongs to exactly one of the two faces. Image x goes
right, y down, and pixel centres lie at +0.5. "Disparity" is 1 / z of the target camera.

The visibility of a pixel is the face with the greatest disparity, then the lowest number, so the
order in which faces are drawn does not matter.
"""

from __future__ import annotations

import numpy as np

from ex4d.jit import inlined_kernel, kernel

__all__ = ["GUARD_PX", "SUBPIXELS", "project_vertices", "raster_faces", "shade"]

SUBPIXELS = 256  # screen units per pixel
GUARD_PX = 32768  # farther out, faces are clipped: products of differences stay below 2**50
_HALF = SUBPIXELS // 2
_SHIFT = 8  # log2(SUBPIXELS)


@kernel
def project_vertices(vertices, transform, near, screen, disparity):
    """Fill `screen` int32 [V, 2] and `disparity` float64 [V] for a camera.

    `transform` [3, 4] maps vertices [V, 3] to (u z, v z, z) with u, v in pixels. A vertex nearer
    than `near` or outside the guard band gets disparity 0: its faces need clipping.
    """
    for i in range(vertices.shape[0]):
        x = np.float64(vertices[i, 0])
        y = np.float64(vertices[i, 1])
        z = np.float64(vertices[i, 2])
        w = transform[2, 0] * x + transform[2, 1] * y + transform[2, 2] * z + transform[2, 3]
        disparity[i] = 0.0
        if w >= near:
            inverse = 1.0 / w
            u = transform[0, 0] * x + transform[0, 1] * y + transform[0, 2] * z + transform[0, 3]
            v = transform[1, 0] * x + transform[1, 1] * y + transform[1, 2] * z + transform[1, 3]
            u *= inverse
            v *= inverse
            if -GUARD_PX <= u <= GUARD_PX and -GUARD_PX <= v <= GUARD_PX:
                screen[i, 0] = np.int32(np.floor(u * SUBPIXELS + 0.5))
                screen[i, 1] = np.int32(np.floor(v * SUBPIXELS + 0.5))
                disparity[i] = inverse


@inlined_kernel
def _bias(dx, dy):
    """0 where the top-left rule gives an edge's own samples to the face, else -1."""
    return 0 if dy < 0 or (dy == 0 and dx > 0) else -1


@inlined_kernel
def fill_triangle(x, y, inverse_z, weights, face, target):
    """Draw one triangle into `target`; return its doubled area in squared screen units.

    x, y: 3 integers each; inverse_z: 3 floats; weights: None, or [3, 2], the face's own barycentric
    coordinates 1 and 2 at the three corners (a piece of a clipped face).
    target: (best_disparity [H, W], best_face [H, W], barycentric [H, W, 2], least_disparity).
    """
    best_disparity, best_face, barycentric, least_disparity = target
    x0, x1, x2 = x
    y0, y1, y2 = y
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    if area == 0:
        return area
    height, width = best_face.shape
    left = max((min(x0, x1, x2) + _HALF - 1) >> _SHIFT, 0)
    right = min((max(x0, x1, x2) - _HALF) >> _SHIFT, width - 1)
    top = max((min(y0, y1, y2) + _HALF - 1) >> _SHIFT, 0)
    bottom = min((max(y0, y1, y2) - _HALF) >> _SHIFT, height - 1)
    if left > right or top > bottom:
        return area

    sign = 1 if area > 0 else -1
    dx0, dy0 = sign * (x2 - x1), sign * (y2 - y1)
    dx1, dy1 = sign * (x0 - x2), sign * (y0 - y2)
    dx2, dy2 = sign * (x1 - x0), sign * (y1 - y0)
    bias0, bias1, bias2 = _bias(dx0, dy0), _bias(dx1, dy1), _bias(dx2, dy2)
    px = left * SUBPIXELS + _HALF
    py = top * SUBPIXELS + _HALF
    row0 = dx0 * (py - y1) - dy0 * (px - x1)
    row1 = dx1 * (py - y2) - dy1 * (px - x2)
    row2 = dx2 * (py - y0) - dy2 * (px - x0)
    inverse_area = 1.0 / (sign * area)
    for row in range(top, bottom + 1):
        edge0, edge1, edge2 = row0, row1, row2
        for column in range(left, right + 1):
            if (edge0 + bias0) >= 0 and (edge1 + bias1) >= 0 and (edge2 + bias2) >= 0:
                a0 = edge0 * inverse_z[0]
                a1 = edge1 * inverse_z[1]
                a2 = edge2 * inverse_z[2]
                total = a0 + a1 + a2
                disparity = np.float32(total * inverse_area)
                best = best_disparity[row, column]
                if disparity >= least_disparity and (
                    disparity > best or (disparity == best and face < best_face[row, column])
                ):
                    best_disparity[row, column] = disparity
                    best_face[row, column] = face
                    inverse_total = 1.0 / total
                    if weights is None:
                        barycentric[row, column, 0] = a1 * inverse_total
                        barycentric[row, column, 1] = a2 * inverse_total
                    else:
                        for k in range(2):
                            barycentric[row, column, k] = inverse_total * (
                                a0 * weights[0, k] + a1 * weights[1, k] + a2 * weights[2, k]
                            )
            edge0 -= dy0 * SUBPIXELS
            edge1 -= dy1 * SUBPIXELS
            edge2 -= dy2 * SUBPIXELS
        row0 += dx0 * SUBPIXELS
        row1 += dx1 * SUBPIXELS
        row2 += dx2 * SUBPIXELS
    return area


@kernel
def raster_faces(faces, screen, disparity, facing, to_clip, target):
    """Draw every face whose corners all project; return how many need clipping.

    The numbers of those go into `to_clip` int32 [F]. Sets `facing` int8 [F] to the sign of a
    face's area on the screen (y down), 0 where it needs clipping. `target` as in `fill_triangle`.
    """
    n_clip = 0
    for face in range(faces.shape[0]):
        i0, i1, i2 = faces[face, 0], faces[face, 1], faces[face, 2]
        z0, z1, z2 = disparity[i0], disparity[i1], disparity[i2]
        if z0 == 0.0 or z1 == 0.0 or z2 == 0.0:
            facing[face] = 0
            to_clip[n_clip] = face
            n_clip += 1
            continue
        x = (np.int64(screen[i0, 0]), np.int64(screen[i1, 0]), np.int64(screen[i2, 0]))
        y = (np.int64(screen[i0, 1]), np.int64(screen[i1, 1]), np.int64(screen[i2, 1]))
        area = fill_triangle(x, y, (z0, z1, z2), None, face, target)
        facing[face] = -1 if area < 0 else 1
    return n_clip


@kernel
def shade(mesh, rgba, facing, hole_facing, best_face, barycentric, color, has_silhouette):
    """Interpolate vertex colours `rgba` uint8 [V, 4] into `color` float32 [H, W, 4].

    0 where there is no face, or one whose `facing` is `hole_facing`. Sets `has_silhouette`
    bool [H, W] where the face has an edge with no face behind it, or one that faces the other way.
    mesh: (faces int32 [F, 3], neighbors int32 [F, 3]).
    """
    faces, neighbors = mesh
    height, width = best_face.shape
    for row in range(height):
        for column in range(width):
            face = best_face[row, column]
            silhouette = False
            if face >= 0:
                own = facing[face]
                for edge in range(3):
                    other = neighbors[face, edge]
                    silhouette |= other < 0 or facing[other] != own
            has_silhouette[row, column] = silhouette
            if face < 0 or facing[face] == hole_facing:
                for k in range(4):
                    color[row, column, k] = 0.0
                continue
            b1 = barycentric[row, column, 0]
            b2 = barycentric[row, column, 1]
            b0 = np.float32(1.0) - b1 - b2
            i0, i1, i2 = faces[face, 0], faces[face, 1], faces[face, 2]
            for k in range(4):
                color[row, column, k] = b0 * rgba[i0, k] + b1 * rgba[i1, k] + b2 * rgba[i2, k]
