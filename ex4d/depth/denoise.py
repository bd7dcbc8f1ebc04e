"""Noise of single frames averaged away along the motion of the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from ex4d.video.flow import ClipFlow

__all__ = ["average_over_time"]

_REACH = 2  # frames before and after
_SAME = 0.04  # of a pixel's disparity: what differs more is another surface


def average_over_time(disparity: np.ndarray, flow: ClipFlow, shot: range) -> None:
    """Average each frame of a shot with its neighbours, in place: disparity float32 [N, H, W].

    A neighbour's pixel counts where optical flow finds it, and less the more it differs
    (weights exp(-(difference / 4 %)^2)): edges stay, and so does what moves on its own.
    """
    height, width = disparity.shape[1:]
    row, column = np.indices((height, width), np.float32)
    before = disparity[shot.start : shot.stop].copy()
    for frame in shot:
        center = before[frame - shot.start]
        tolerance = _SAME * np.abs(center) + 1e-12
        total, weights = center.copy(), np.ones_like(center)
        for other in range(frame - _REACH, frame + _REACH + 1):
            if other == frame or other not in shot:
                continue
            moved = _resized(flow.dense(frame, other), (width, height))
            seen = cv2.remap(
                before[other - shot.start],
                column + moved[..., 0],
                row + moved[..., 1],
                cv2.INTER_LINEAR,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=float("nan"),
            )
            weight = np.exp(-(((seen - center) / tolerance) ** 2))
            inside = np.isfinite(weight)
            weight = np.where(inside, weight, 0)
            total += weight * np.where(inside, seen, 0)
            weights += weight
        disparity[frame] = total / weights


def _resized(flow: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A flow [h, w, 2] at another (W, H), in the pixels of that."""
    scale = np.array([size[0] / flow.shape[1], size[1] / flow.shape[0]], np.float32)
    resized: np.ndarray = cv2.resize(flow, size, interpolation=cv2.INTER_LINEAR) * scale
    return resized
