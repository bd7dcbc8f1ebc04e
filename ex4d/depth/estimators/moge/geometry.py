"""The focal length and the shift along the axis that make a map of points a picture of itself."""

from __future__ import annotations

import numpy as np

__all__ = ["fit_focal_and_shift"]

_ROUNDS = 60
_LEAST_STEP = 1e-7
_LEAST_POINTS = 2
_SHORTEST, _USUAL, _LONGEST = 0.2, 1.6, 40.0  # focal lengths: 157, 64 and 3 degrees diagonally


def fit_focal_and_shift(
    points: np.ndarray,  # float64 [P, 3]
    plane: np.ndarray,  # float64 [P, 2], in halves of the picture's diagonal from its centre
    focal: float | None = None,  # in halves of the diagonal, where it is known
) -> tuple[float, float]:
    """Find what minimises |focal xy / (z + shift) - plane| over all points: focal and shift.

    Levenberg and Marquardt's steps for the shift, from 0 on; the focal length follows from it.
    Points that are no picture of a scene give a usual lens, and no shift.
    """
    if len(points) < _LEAST_POINTS:
        return focal or _USUAL, 0.0
    shift, damping = 0.0, 1e-3
    residual, slope, best = _residual(points, plane, shift, focal)
    for _ in range(_ROUNDS):
        step = -float(slope @ residual) / (float(slope @ slope) * (1 + damping) + 1e-30)
        if abs(step) < _LEAST_STEP * (1 + abs(shift)):
            break
        tried = _residual(points, plane, shift + step, focal)
        if tried[0] @ tried[0] < residual @ residual:
            shift, damping = shift + step, damping / 10
            residual, slope, best = tried
        else:
            damping *= 10
    is_lens = _SHORTEST <= best <= _LONGEST and np.isfinite(shift)
    return (best, shift) if is_lens else (focal or _USUAL, 0.0)


def _residual(
    points: np.ndarray, plane: np.ndarray, shift: float, focal: float | None
) -> tuple[np.ndarray, np.ndarray, float]:
    """The residuals [2 P], their derivative by the shift, and the focal length."""
    depth = points[:, 2:] + shift
    depth = np.where(np.abs(depth) < 1e-9, 1e-9, depth)
    seen = (points[:, :2] / depth).ravel()
    change = -(points[:, :2] / depth**2).ravel()
    target, square = plane.ravel(), float(seen @ seen)
    if focal is not None:
        return focal * seen - target, focal * change, focal
    focal = float(seen @ target) / square
    turn = (float(change @ target) - 2 * focal * float(seen @ change)) / square
    return focal * seen - target, turn * seen + focal * change, focal
