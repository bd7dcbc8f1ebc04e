"""The clean plate: what a still camera sees of a clip when everything that moves is gone."""

from __future__ import annotations

import numpy as np

__all__ = ["clean_plate"]

_RANK = 0.9  # of the depths of a pixel over time, from near to far; the rest may be strays
_SAME_SURFACE = 0.97  # a depth from here on is the background's
_ROWS = 32  # worked on at once: sorting needs a copy


def clean_plate(frames: np.ndarray, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take each pixel from the first frame in which it shows its background.

    frames uint8 [N, H, W, 3] and depth float32 [N, H, W] of a camera that stands still. Returns
    one frame: uint8 [1, H, W, 3] and float32 [1, H, W]. What is uncovered in less than a tenth of
    the frames counts as never uncovered.
    """
    n_frames, height, width = depth.shape
    rank = int(_RANK * (n_frames - 1))
    plate_frame = np.empty((1, height, width, 3), np.uint8)
    plate_depth = np.empty((1, height, width), np.float32)
    for top in range(0, height, _ROWS):
        rows = slice(top, top + _ROWS)
        background = np.partition(depth[:, rows], rank, axis=0)[rank]
        first = (depth[:, rows] >= _SAME_SURFACE * background).argmax(axis=0)[None]
        plate_depth[:, rows] = np.take_along_axis(depth[:, rows], first, axis=0)
        plate_frame[:, rows] = np.take_along_axis(frames[:, rows], first[..., None], axis=0)
    return plate_frame, plate_depth
