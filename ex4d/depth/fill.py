"""Unknown depths filled from the background side, and depths resized without inventing any."""

from __future__ import annotations

import numpy as np

from ex4d.runtime.jit import kernel

__all__ = ["fill_unknown", "resize_depth"]

_SAME_SURFACE = 1.05  # depths within this ratio belong to one surface
_BACKGROUND = 0.9  # of the farthest neighbour: what is at least that far is the background side


@kernel
def _scan_rows(depth, before, distance):
    """Nearest known depth to the left of every pixel (0 for none) and its distance in pixels."""
    height, width = depth.shape
    for row in range(height):
        last = np.float32(0.0)
        steps = 0
        for column in range(width):
            steps += 1
            if depth[row, column] > 0:
                last = depth[row, column]
                steps = 0
            before[row, column] = last
            distance[row, column] = steps


@kernel
def _fill_from_directions(depth, candidates, distances, background, filled):
    """Give each unknown pixel the nearest of those candidates [4] that lie on the background."""
    height, width = depth.shape
    for row in range(height):
        for column in range(width):
            filled[row, column] = depth[row, column]
            if depth[row, column] > 0:
                continue
            farthest = np.float32(0.0)
            for k in range(4):
                farthest = max(farthest, candidates[k, row, column])
            best = 1 << 30
            for k in range(4):
                candidate = candidates[k, row, column]
                is_background = candidate > 0 and candidate >= background * farthest
                if is_background and distances[k, row, column] < best:
                    best = distances[k, row, column]
                    filled[row, column] = candidate


def fill_unknown(depth: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Fill the unknown pixels (0) of a depth float32 [H, W] from the background side.

    Each takes the nearest known depth to its left, right, top or bottom that belongs to the
    farthest surface found there, so a hole beside a foreground edge becomes background. Rows and
    columns without any known pixel are filled in a second pass. At least one pixel must be known.
    `strength` 0 to 1: how much nearer than the farthest a surface may not be; at 0 any will do.
    """
    while not (depth > 0).all():
        candidates = np.empty((4, *depth.shape), np.float32)
        distances = np.empty((4, *depth.shape), np.int32)
        for k in range(4):
            turned = np.ascontiguousarray(np.rot90(depth, k))
            before = np.empty_like(turned)
            distance = np.empty(turned.shape, np.int32)
            _scan_rows(turned, before, distance)
            candidates[k] = np.rot90(before, -k)
            distances[k] = np.rot90(distance, -k)
        filled = np.empty_like(depth)
        _fill_from_directions(depth, candidates, distances, _BACKGROUND * strength, filled)
        depth = filled
    return depth


@kernel
def _resize(depth, resized):
    height, width = depth.shape
    for row in range(resized.shape[0]):
        y = min(max((row + 0.5) * height / resized.shape[0] - 0.5, 0.0), height - 1.0)
        y0 = min(int(y), height - 2) if height > 1 else 0
        y1 = min(y0 + 1, height - 1)
        wy = y - y0
        for column in range(resized.shape[1]):
            x = min(max((column + 0.5) * width / resized.shape[1] - 0.5, 0.0), width - 1.0)
            x0 = min(int(x), width - 2) if width > 1 else 0
            x1 = min(x0 + 1, width - 1)
            wx = x - x0
            a, b = depth[y0, x0], depth[y0, x1]
            c, d = depth[y1, x0], depth[y1, x1]
            least, most = min(a, b, c, d), max(a, b, c, d)
            if most <= _SAME_SURFACE * least:
                # 1 / z is linear across a plane's picture
                disparity = (1 - wy) * ((1 - wx) / a + wx / b) + wy * ((1 - wx) / c + wx / d)
                resized[row, column] = 1.0 / disparity
            else:
                nearest_row = y1 if wy >= 0.5 else y0
                nearest_column = x1 if wx >= 0.5 else x0
                resized[row, column] = depth[nearest_row, nearest_column]


def resize_depth(depth: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resample a depth float32 [H, W], all of it known, to `size` (W, H).

    Interpolated inside a surface, nearest neighbour across an edge, so that no depth appears that
    lies between two surfaces.
    """
    if depth.shape == (size[1], size[0]):
        return depth
    resized = np.empty((size[1], size[0]), np.float32)
    _resize(np.ascontiguousarray(depth, np.float32), resized)
    return resized
