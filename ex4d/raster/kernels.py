"""The hot loops of the CPU rasteriser: projection, visibility, shading.

Screen coordinates are integers in 1/256 pixel, so that edge functions are exact: with the
top-left rule every sample on a shared edge belongs to exactly one of the two faces. Image x goes
right, y down, and pixel centres lie at +0.5. "Disparity" is 1 / z of the target camera.

The visibility of a pixel is the face with the greatest disparity, then the lowest number, so the
order in which faces are drawn does not matter.
"""

from __future__ import annotations

import numpy as np

from ex4d.runtime.jit import inlined_kernel, kernel

__all__ = [
    "GUARD_PX",
    "SUBPIXELS",
    "project_vertices",
    "raster_faces",
    "shade",
]

SUBPIXELS = 256  # screen units per pixel
GUARD_PX = 32768  # farther out, faces are clipped: products of differences stay below 2**50
_WIDE = 8  # pixels; from this width on, the ends of each row are computed
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
def _columns_inside(edge, step, first, last):
    """Narrow columns first..last (counted from the one where the edge function is `edge`) to
    those where edge - step * column >= 0."""
    if step > 0:
        last = min(last, edge // step)
    elif step < 0:
        first = max(first, -(edge // -step))
    elif edge < 0:
        last = first - 1
    return first, last


@inlined_kernel
def _pixels_between(x0, x1, x2, width):
    """The first and the last of `width` pixels whose centres lie between the least and the
    greatest of three screen coordinates."""
    first = max((min(x0, min(x1, x2)) + _HALF - 1) >> _SHIFT, 0)
    last = min((max(x0, max(x1, x2)) - _HALF) >> _SHIFT, width - 1)
    return first, last


@kernel
def raster_faces(faces, first_number, projected, facing, to_clip, target):
    """Draw every face whose corners all project; return how many need clipping.

    faces: int32 [F, 3]; in the picture they are numbered from `first_number` on. projected:
    (screen int32 [V, 2], disparity float64 [V]). facing: int8 [F], becomes the sign of a face's
    area on the screen (y down), 0 also where it needs clipping. to_clip: int32 [F], receives the
    rows of those. target: (best_disparity [H, W], best_face [H, W], barycentric [H, W, 2],
    least_disparity), updated; barycentric coordinates 0 = 1 - 1 - 2 are left out.

    One loop without calls: passing arrays to a function for every face costs more than drawing it.
    """
    screen, disparity = projected
    best_disparity, best_face, barycentric, least_disparity = target
    height, width = best_face.shape
    n_clip = 0
    for face in range(faces.shape[0]):
        i0, i1, i2 = faces[face, 0], faces[face, 1], faces[face, 2]
        z0, z1, z2 = disparity[i0], disparity[i1], disparity[i2]
        if z0 == 0.0 or z1 == 0.0 or z2 == 0.0:
            facing[face] = 0
            to_clip[n_clip] = face
            n_clip += 1
            continue
        x0, x1, x2 = np.int64(screen[i0, 0]), np.int64(screen[i1, 0]), np.int64(screen[i2, 0])
        y0, y1, y2 = np.int64(screen[i0, 1]), np.int64(screen[i1, 1]), np.int64(screen[i2, 1])
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        facing[face] = -1 if area < 0 else int(area > 0)
        left, right = _pixels_between(x0, x1, x2, width)
        top, bottom = _pixels_between(y0, y1, y2, height)
        if left > right or top > bottom or area == 0:
            continue

        sign = 1 if area > 0 else -1
        area *= sign
        dx0, dy0 = sign * (x2 - x1), sign * (y2 - y1)
        dx1, dy1 = sign * (x0 - x2), sign * (y0 - y2)
        dx2, dy2 = sign * (x1 - x0), sign * (y1 - y0)
        px = left * SUBPIXELS + _HALF
        py = top * SUBPIXELS + _HALF
        row0 = dx0 * (py - y1) - dy0 * (px - x1)
        row1 = dx1 * (py - y2) - dy1 * (px - x2)
        row2 = dx2 * (py - y0) - dy2 * (px - x0)
        bias0, bias1, bias2 = _bias(dx0, dy0), _bias(dx1, dy1), _bias(dx2, dy2)
        number = first_number + face
        for row in range(top, bottom + 1):
            first, last = 0, right - left
            if last >= _WIDE:  # a long sliver's box is nearly empty: visit only what is inside
                first, last = _columns_inside(row0 + bias0, dy0 * SUBPIXELS, first, last)
                first, last = _columns_inside(row1 + bias1, dy1 * SUBPIXELS, first, last)
                first, last = _columns_inside(row2 + bias2, dy2 * SUBPIXELS, first, last)
            edge0 = row0 - first * dy0 * SUBPIXELS
            edge1 = row1 - first * dy1 * SUBPIXELS
            edge2 = row2 - first * dy2 * SUBPIXELS
            for column in range(left + first, left + last + 1):
                if ((edge0 + bias0) | (edge1 + bias1) | (edge2 + bias2)) >= 0:
                    a1, a2 = edge1 * z1, edge2 * z2
                    total = edge0 * z0 + a1 + a2
                    here = np.float32(total / area)
                    at = np.uint64(row), np.uint64(column)
                    best = best_disparity[at]
                    if here >= least_disparity and (
                        here > best or (here == best and number < best_face[at])
                    ):
                        best_disparity[at] = here
                        best_face[at] = number
                        inverse_total = 1.0 / total
                        barycentric[at[0], at[1], 0] = a1 * inverse_total
                        barycentric[at[0], at[1], 1] = a2 * inverse_total
                edge0 -= dy0 * SUBPIXELS
                edge1 -= dy1 * SUBPIXELS
                edge2 -= dy2 * SUBPIXELS
            row0 += dx0 * SUBPIXELS
            row1 += dx1 * SUBPIXELS
            row2 += dx2 * SUBPIXELS
    return n_clip


@kernel
def shade(faces, rgba, facing, hole_facing, best_face, barycentric, color):
    """Interpolate vertex colours `rgba` uint8 [V, 4] into `color` float32 [H, W, 4].

    0 where there is no face, or one whose `facing` is `hole_facing`.
    """
    height, width = best_face.shape
    for row in range(height):
        for column in range(width):
            face = best_face[row, column]
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
