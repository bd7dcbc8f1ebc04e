"""Noise of single frames averaged away along the motion of the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ex4d.runtime.parallel import on_all_cores

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
    before = disparity[shot.start : shot.stop].copy()

    def average(frame: int) -> None:
        center = before[frame - shot.start]
        total, weights = center.copy(), np.ones_like(center)
        for other in range(max(frame - _REACH, shot.start), min(frame + _REACH + 1, shot.stop)):
            if other != frame:
                seen = _carried(before[other - shot.start], flow.dense(frame, other))
                weight = np.exp(-(((seen - center) / (_SAME * np.abs(center) + 1e-12)) ** 2))
                weight[np.isnan(seen)] = 0  # it comes from outside the picture
                total += weight * np.nan_to_num(seen, copy=False)
                weights += weight
        disparity[frame] = total / weights

    on_all_cores(average, shot)


def _carried(disparity: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Another frame's disparity [H, W] where a flow [h, w, 2] finds its pixels; NaN outside it."""
    height, width = disparity.shape
    moved = _resized(flow, (width, height))
    row, column = np.indices((height, width), np.float32)
    return cv2.remap(
        disparity,
        column + moved[..., 0],
        row + moved[..., 1],
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=float("nan"),
    )


def _resized(flow: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A flow [h, w, 2] at another (W, H), in the pixels of that."""
    scale = np.array([size[0] / flow.shape[1], size[1] / flow.shape[0]], np.float32)
    resized: np.ndarray = cv2.resize(flow, size, interpolation=cv2.INTER_LINEAR) * scale
    return resized
