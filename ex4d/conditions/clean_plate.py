"""The clean plate: what a still camera sees of a clip when everything that moves is gone."""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ["clean_plate", "stands_still"]

_RANK = 0.9  # of the depths of a pixel over time, from near to far; the rest may be strays
_SAME_SURFACE = 0.97  # a depth from here on is the background's
_ROWS = 32  # worked on at once: sorting needs a copy
_LOOKS = 5  # frames compared with the first one
_FEW_CORNERS = 10  # with fewer there is nothing that a moving camera would smear
_STILL_PX = 0.5  # measured: 0.02 on a tripod, 3 to 60 in a hand


def stands_still(frames: np.ndarray) -> bool:
    """Whether most corners of the first of frames uint8 [N, H, W, 3] stay where they are."""
    first = cv2.cvtColor(frames[0], cv2.COLOR_RGB2GRAY)
    corners = cv2.goodFeaturesToTrack(first, 400, 0.01, 8)
    if corners is None or len(corners) < _FEW_CORNERS:
        return True
    for frame in np.linspace(0, len(frames) - 1, _LOOKS).round().astype(int)[1:]:
        other = cv2.cvtColor(frames[frame], cv2.COLOR_RGB2GRAY)
        start = np.empty_like(corners)  # not read
        moved, found, _ = cv2.calcOpticalFlowPyrLK(first, other, corners, start)
        distances = np.linalg.norm(moved - corners, axis=-1)[found == 1]
        if len(distances) < len(corners) / 2 or np.median(distances) > _STILL_PX:
            return False
    return True


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
