"""The mask made a little smaller, as in training: what is seen ends before its ragged rim.

The public code erodes every frame by a square of 2 to 8 pixels that it draws without a seed, so
the rim flickers and no run can be repeated. Here the seed draws one square for the whole clip.
"""

from __future__ import annotations

import cv2
import numpy as np

__all__ = ["EROSION_PX", "erode_mask", "erosion_px"]

EROSION_PX = (2, 8)  # the smallest and the largest square, at the size that the model works at


def erosion_px(seed: int) -> int:
    """The side of the square for a seed; it depends on nothing else."""
    smallest, largest = EROSION_PX
    return int(np.random.default_rng([seed, 0xE80DE]).integers(smallest, largest + 1))


def erode_mask(
    mask: np.ndarray,  # bool [T, H, W]
    seed: int,
) -> np.ndarray:  # bool [T, H, W]
    """Erode every frame by the seed's square; beyond the frame's edge counts as seen."""
    square = np.ones((erosion_px(seed),) * 2, np.uint8)
    return np.stack([cv2.erode(frame.astype(np.uint8), square) for frame in mask]).astype(np.bool_)
