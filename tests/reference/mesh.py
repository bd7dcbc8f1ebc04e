"""Obviously right versions of the DW-mesh: loops over pixels, faces and edges."""

from __future__ import annotations

import numpy as np


def smallest_angle_deg(a, b, c) -> float:
    """The smallest interior angle of a triangle of three points."""
    angles = []
    for corner, one, other in ((a, b, c), (b, c, a), (c, a, b)):
        u, v = one - corner, other - corner
        cosine = u @ v / (np.linalg.norm(u) * np.linalg.norm(v))
        angles.append(np.degrees(np.arccos(np.clip(cosine, -1, 1))))
    return min(angles)


def hole_vertices(points, faces, min_angle_deg, on_border=None) -> np.ndarray:
    """Which vertices bool [V] of points [V, 3] belong to a face that spans a depth jump, or, where
    `on_border` [F] is given, to one at the border."""
    holes = np.zeros(len(points), np.bool_)
    for number, face in enumerate(faces):
        corners = points[face].astype(np.float64)
        at_border = on_border is not None and on_border[number]
        if at_border or smallest_angle_deg(*corners) < min_angle_deg:
            holes[face] = True
    return holes


def neighbors_of(faces) -> np.ndarray:
    """The face across the edge opposite to each corner, or -1: by comparing all pairs of edges.
    Of an edge with three faces or more, the first two meet."""
    faces_at: dict[frozenset, list[tuple[int, int]]] = {}
    for number, face in enumerate(faces):
        for corner in range(3):
            edge = frozenset((int(face[(corner + 1) % 3]), int(face[(corner + 2) % 3])))
            faces_at.setdefault(edge, []).append((number, corner))
    neighbors = np.full((len(faces), 3), -1)
    for meeting in faces_at.values():
        if len(meeting) >= 2:
            (first, first_corner), (second, second_corner) = meeting[:2]
            neighbors[first, first_corner] = second
            neighbors[second, second_corner] = first
    return neighbors
