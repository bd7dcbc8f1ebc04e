"""The focal lengths that a model says frame by frame, made those of one lens."""

from __future__ import annotations

import numpy as np

__all__ = ["pinhole", "steady_focal"]

_ONE_LENS = 1.25  # ratio of the 90th to the 10th percentile: what differs more is a zoom
_REACH = 8  # frames before and after, for a lens that zooms


def steady_focal(focal: np.ndarray) -> np.ndarray:
    """One focal length for a whole clip, the median, where the frames' [N] nearly agree; the
    median of their neighbours where the lens zooms. Returns float64 [N]."""
    low, high = np.percentile(focal, [10, 90])
    if high <= _ONE_LENS * low:
        return np.full(len(focal), np.median(focal))
    windows = [focal[max(0, k - _REACH) : k + _REACH + 1] for k in range(len(focal))]
    return np.array([np.median(window) for window in windows])


def pinhole(focal_px: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Intrinsics [N, 3, 3] of focal lengths [N] in pixels, for pictures (W, H)."""
    intrinsics = np.zeros((len(focal_px), 3, 3))
    intrinsics[:, [0, 1], [0, 1]] = focal_px[:, None]
    intrinsics[:, :2, 2] = np.array(size) / 2
    intrinsics[:, 2, 2] = 1
    return intrinsics
