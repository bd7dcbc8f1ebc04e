"""Edge antialiasing of a rendered picture, as the public code's renderer does it.

Where two neighbouring pixels show different faces, and a silhouette edge of the nearer one passes
between their centres, the pixel that the edge cuts is blended with the other in proportion to the
distance of the crossing from the midpoint. Method: Laine et al., "Modular Primitives for
High-Performance Differentiable Rendering", 2020, section 3.4. A silhouette edge has no face on
its other side, or one that faces the other way.
"""

from __future__ import annotations

import numpy as np

from ex4d.jit import kernel
from ex4d.raster.kernels import SUBPIXELS

__all__ = ["antialias_edges"]

_SLACK = 1.0 / 16.0  # pixels; a crossing this far outside the pair still counts, clamped


@kernel
def _silhouette_crossing(face, mesh, visible, center, axis, direction):
    """How far from a pixel that shows `face`, towards its neighbour, a silhouette edge ends it.

    center: the pixel's centre (x, y) in screen units; direction: +1 or -1 along `axis` (0 = x,
    1 = y). Returns pixels, or NaN: of the edges that cross the line between the two centres only
    the farthest can end the face, and it counts when it is a silhouette that runs more across the
    line than along it.
    """
    faces, neighbors = mesh
    screen, disparity, facing = visible
    across = 1 - axis
    farthest = -np.inf
    counts: bool | np.bool_ = False
    for edge in range(3):
        a, b = faces[face, (edge + 1) % 3], faces[face, (edge + 2) % 3]
        if disparity[a] == 0.0 or disparity[b] == 0.0:
            continue
        a_across = screen[a, across] - center[across]
        b_across = screen[b, across] - center[across]
        if (a_across >= 0) == (b_across >= 0):
            continue
        d_across = np.float64(b_across - a_across)
        d_along = np.float64(screen[b, axis] - screen[a, axis])
        along = screen[a, axis] - center[axis] - a_across * d_along / d_across
        if direction * along > farthest:
            farthest = direction * along
            other = neighbors[face, edge]
            silhouette = other < 0 or facing[other] != facing[face]
            counts = silhouette and abs(d_across) >= abs(d_along)
    return farthest / SUBPIXELS if counts else np.nan


@kernel
def _blend_pair(mesh, visible, best, pair, color, smoothed):
    """Antialias between the two neighbouring pixels `pair` = (row, column, axis)."""
    best_disparity, best_face, has_silhouette = best
    row, column, axis = pair
    here, there = (row, column), (row + axis, column + 1 - axis)
    nearer_here = best_face[there] < 0 or (
        best_face[here] >= 0 and best_disparity[here] >= best_disparity[there]
    )
    near, far = (here, there) if nearer_here else (there, here)
    if not has_silhouette[near]:
        return
    center = (near[1] * SUBPIXELS + SUBPIXELS // 2, near[0] * SUBPIXELS + SUBPIXELS // 2)
    direction = 1 if nearer_here else -1
    crossing = _silhouette_crossing(best_face[near], mesh, visible, center, axis, direction)
    if not (-_SLACK < crossing < 1.0 + _SLACK):
        return
    # Beyond the midpoint the nearer surface reaches into the other pixel; before it, the other
    # pixel's surface reaches into the nearer one's.
    share = min(max(crossing, 0.0), 1.0) - 0.5
    changed = far if share > 0 else near
    for k in range(4):
        difference = color[near[0], near[1], k] - color[far[0], far[1], k]
        smoothed[changed[0], changed[1], k] += share * difference


@kernel
def antialias_edges(mesh, visible, best, color, smoothed):
    """Fill `smoothed` float32 [H, W, 4] with `color`, edges antialiased.

    mesh: (faces int32 [F, 3], neighbors int32 [F, 3]: the face across the edge opposite to each
    corner, -1 for none). visible: (screen int32 [V, 2], disparity float64 [V], facing int8 [F]).
    best: (best_disparity, best_face, has_silhouette), each [H, W].
    """
    best_face, has_silhouette = best[1], best[2]
    height, width = best_face.shape
    smoothed[:] = color
    for row in range(height):
        for column in range(width):
            silhouette = has_silhouette[row, column]
            face = best_face[row, column]
            if (
                column + 1 < width
                and (silhouette or has_silhouette[row, column + 1])
                and best_face[row, column + 1] != face
            ):
                _blend_pair(mesh, visible, best, (row, column, 0), color, smoothed)
            if (
                row + 1 < height
                and (silhouette or has_silhouette[row + 1, column])
                and best_face[row + 1, column] != face
            ):
                _blend_pair(mesh, visible, best, (row, column, 1), color, smoothed)
