"""Where a clip cuts from one shot to the next."""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ["cut_levels", "find_shots"]

_SMALL_PX = 64  # width of the pictures that are compared: noise is averaged away
_NEIGHBORS = 2  # changes before and after a cut that it is compared with

# Measured, in levels of 255 averaged over small pictures: the largest change between two frames is
# 4 on a still camera, 22 on a hand-held one of which every eighth frame is taken, at most 1.8 times
# the changes around it; cuts between two clips are 81 to 94, 20 to 44 times.
_LEAST_LEVELS = 8.0
_LEAST_RATIO = 3.0


def find_shots(frames: np.ndarray) -> list[range]:
    """The frame numbers of each shot of frames uint8 [N, H, W, 3]. A shot of one or two frames in
    the middle is taken for a flash of light."""
    cuts = list(cut_levels(frames))
    return [range(*ends) for ends in zip([0, *cuts], [*cuts, len(frames)], strict=True)]


def cut_levels(frames: np.ndarray) -> dict[int, float]:
    """The first frame of each shot but the first, and by how many levels of 255 the picture changes
    there.

    A cut changes the picture at once, and far more than what happens around it: neither a pan,
    however fast, nor a fade, nor a flash of light does that.
    """
    height = max(1, round(_SMALL_PX * frames.shape[1] / frames.shape[2]))
    small = np.stack(
        [cv2.resize(f, (_SMALL_PX, height), interpolation=cv2.INTER_AREA) for f in frames]
    ).astype(np.float32)
    changes = np.abs(np.diff(small, axis=0)).mean(axis=(1, 2, 3))
    cuts = {}
    for frame, change in enumerate(changes):
        before, after = changes[max(0, frame - _NEIGHBORS) : frame], changes[frame + 1 :]
        around = max([*before, *after[:_NEIGHBORS]], default=0.0)
        if change >= _LEAST_LEVELS and change >= _LEAST_RATIO * around:
            cuts[frame + 1] = float(change)
    return cuts
