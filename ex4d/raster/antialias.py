"""Edge antialiasing of a rendered picture, as the public code's renderer does it.

Where two neighbouring pixels show different faces, and a silhouette edge of the nearer one passes
between their centres, the pixel that the edge cuts is blended with the other in proportion to the
distance of the crossing from the midpoint. Method: Laine et al., "Modular Primitives for
High-Performance Differentiable Rendering", 2020, section 3.4. A silhouette edge has no face on
its other side, or one that faces the other way.
"""

from __future__ import annotations

import numpy as np

from ex4d.raster.kernels import SUBPIXELS
from ex4d.runtime.jit import kernel

__all__ = ["antialias_edges"]

_SLACK = 1.0 / 16.0  # pixels; a crossing this far outside the pair still counts, clamped


@kernel
def _leaves_at(along, across, silhouette):
    """How far from a pixel's centre its face ends in a silhouette edge, in screen units, or NaN.

    along, across: the face's corners relative to the centre; `along` points to the neighbouring
    pixel. silhouette: 3 flags, for the edges opposite to the corners. Of the edges that cross the
    line between the two centres only the farthest can end the face, and it counts when it is a
    silhouette that runs more across the line than along it.
    """
    farthest = -np.inf
    counts = False
    for edge in range(3):
        a, b = (edge + 1) % 3, (edge + 2) % 3
        if (across[a] >= 0) == (across[b] >= 0):
            continue
        d_across = np.float64(across[b] - across[a])
        d_along = np.float64(along[b] - along[a])
        crossing = along[a] - across[a] * d_along / d_across
        if crossing > farthest:
            farthest = crossing
            counts = bool(silhouette[edge] and abs(d_across) >= abs(d_along))
    return farthest if counts else np.nan


@kernel
def _find_silhouettes(best_face, neighbors, facing, has_silhouette):
    """Mark the pixels whose face has an edge with no face behind it, or one that turns away."""
    for row in range(best_face.shape[0]):
        for column in range(best_face.shape[1]):
            face = best_face[row, column]
            found = False
            if face >= 0:
                own = facing[face]
                for edge in range(3):
                    other = neighbors[face, edge]
                    found |= other < 0 or facing[other] != own
            has_silhouette[row, column] = found


@kernel
def antialias_edges(mesh, visible, best, color, smoothed):
    """Fill `smoothed` float32 [H, W, 4] with `color`, edges antialiased.

    mesh: (faces int32 [F, 3], neighbors int32 [F, 3]: the face across the edge opposite to each
    corner, -1 for none). visible: (screen int32 [V, 2], disparity float64 [V], facing int8 [F]).
    best: (best_disparity, best_face), each [H, W].
    """
    faces, neighbors = mesh
    screen, disparity, facing = visible
    best_disparity, best_face = best
    height, width = best_face.shape
    has_silhouette = np.empty((height, width), np.bool_)
    _find_silhouettes(best_face, neighbors, facing, has_silhouette)
    smoothed[:] = color
    for row in range(height):
        for column in range(width):
            for axis in range(2):
                row1, column1 = row + axis, column + 1 - axis
                if row1 >= height or column1 >= width:
                    continue
                if not (has_silhouette[row, column] or has_silhouette[row1, column1]):
                    continue
                here, there = best_face[row, column], best_face[row1, column1]
                nearer_here = there < 0 or (
                    here >= 0 and best_disparity[row, column] >= best_disparity[row1, column1]
                )
                i, j = (row, column) if nearer_here else (row1, column1)
                if here == there or not has_silhouette[i, j]:
                    continue
                face = best_face[i, j]
                c0, c1, c2 = faces[face, 0], faces[face, 1], faces[face, 2]
                if disparity[c0] == 0 or disparity[c1] == 0 or disparity[c2] == 0:
                    continue  # a clipped face has no corners on the screen
                n0, n1, n2 = neighbors[face, 0], neighbors[face, 1], neighbors[face, 2]
                own = facing[face]
                silhouette = (
                    n0 < 0 or facing[n0] != own,
                    n1 < 0 or facing[n1] != own,
                    n2 < 0 or facing[n2] != own,
                )
                x = j * SUBPIXELS + SUBPIXELS // 2
                y = i * SUBPIXELS + SUBPIXELS // 2
                towards = 1 if nearer_here else -1
                xs = (screen[c0, 0] - x, screen[c1, 0] - x, screen[c2, 0] - x)
                ys = (screen[c0, 1] - y, screen[c1, 1] - y, screen[c2, 1] - y)
                along, across = (xs, ys) if axis == 0 else (ys, xs)
                along = (towards * along[0], towards * along[1], towards * along[2])
                crossing = _leaves_at(along, across, silhouette) / SUBPIXELS
                if not (-_SLACK < crossing < 1.0 + _SLACK):
                    continue
                # Beyond the midpoint the nearer surface reaches into the other pixel; before it,
                # the other pixel's surface reaches into the nearer one's.
                share = min(max(crossing, 0.0), 1.0) - 0.5
                fi, fj = (row1, column1) if nearer_here else (row, column)
                ci, cj = (fi, fj) if share > 0 else (i, j)
                for k in range(4):
                    smoothed[ci, cj, k] += share * (color[i, j, k] - color[fi, fj, k])
