"""Flying pixels: depths between two surfaces, where there is nothing, put onto one of the two."""

from __future__ import annotations

import cv2
import numpy as np

from ex4d.runtime.jit import kernel

__all__ = ["snap_flying_pixels"]

_REACH_PX = 3  # a blurred edge is at most so far from both of its surfaces
_LEAST_JUMP = 1.05  # ratio of the two surfaces' depths; below it nothing would be cut there
_SLOPE = 1.6  # what goes on so much further in twice the reach is a slope, no edge
_MARGIN = 0.1  # of the jump; depths this close to a surface belong to it
_FLAT = 0.08  # of the jump, over 2x2 pixels; a surface between the two, not a slope down
_SAME_SIDE = 0.15  # of the jump; these pixels show a surface's colour


@kernel
def _side_of(disparity, rgb, row, column, least, most):
    """The disparity of the surface that a pixel belongs to by its colour; by its own disparity
    when the colours do not tell."""
    height, width = disparity.shape
    jump = most - least
    sums = np.zeros((2, 5))  # far and near: red, green, blue, disparity, count
    for y in range(max(0, row - _REACH_PX), min(height, row + _REACH_PX + 1)):
        for x in range(max(0, column - _REACH_PX), min(width, column + _REACH_PX + 1)):
            share = (disparity[y, x] - least) / jump
            side = 0 if share < _SAME_SIDE else (1 if share > 1 - _SAME_SIDE else -1)
            if side >= 0:
                for k in range(3):
                    sums[side, k] += rgb[y, x, k]
                sums[side, 3] += disparity[y, x]
                sums[side, 4] += 1
    far, near = sums[0, 3] / sums[0, 4], sums[1, 3] / sums[1, 4]
    distance = np.zeros(2)
    contrast = 0.0
    for k in range(3):
        colors = sums[0, k] / sums[0, 4], sums[1, k] / sums[1, 4]
        contrast += (colors[0] - colors[1]) ** 2
        for side in range(2):
            distance[side] += (rgb[row, column, k] - colors[side]) ** 2
    if abs(distance[0] - distance[1]) > 0.25 * contrast and contrast > 100.0:
        return near if distance[1] < distance[0] else far
    return near if 2 * disparity[row, column] > near + far else far


@kernel
def _snap(disparity, rgb, flying, least, most, snapped):
    for row in range(disparity.shape[0]):
        for column in range(disparity.shape[1]):
            if flying[row, column]:
                snapped[row, column] = _side_of(
                    disparity, rgb, row, column, least[row, column], most[row, column]
                )


def snap_flying_pixels(depth: np.ndarray, rgb: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Put depths that lie between two surfaces onto the one whose colour the pixel has.

    Depth float32 [H, W], all of it known, and its picture uint8 [H, W, 3]. Slopes stay as they
    are, and so do thin things, whose depth is that of a surface. `strength` 0 to 1: the share of
    the range between the surfaces that is taken for empty. Returns float32 [H, W].
    """
    disparity = 1 / depth
    least, most = _extremes(disparity, _REACH_PX)
    wide_least, wide_most = _extremes(disparity, 2 * _REACH_PX)
    jump = most - least
    between = np.abs(disparity - (least + most) / 2) < (0.5 - _MARGIN) * strength * jump
    ends = wide_most - wide_least < _SLOPE * jump
    is_surface = _flattest(disparity) < _FLAT * jump
    flying = between & ends & ~is_surface & (most >= _LEAST_JUMP * least)
    rim = 2 * _REACH_PX  # where a slope ends with the picture
    inner = flying[rim:-rim, rim:-rim].copy()
    flying[:] = False
    flying[rim:-rim, rim:-rim] = inner
    snapped = disparity.copy()
    _snap(disparity, rgb, flying, least, most, snapped)
    result: np.ndarray = np.where(flying, 1 / snapped, depth)
    return result


def _extremes(disparity: np.ndarray, reach_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest disparity in a square around each pixel."""
    square = np.ones((2 * reach_px + 1, 2 * reach_px + 1), np.uint8)
    return cv2.erode(disparity, square), cv2.dilate(disparity, square)


def _flattest(disparity: np.ndarray) -> np.ndarray:
    """The range of disparity in the flattest of the four 2x2 squares that hold each pixel."""
    square, edge = np.ones((2, 2), np.uint8), cv2.BORDER_REPLICATE
    most = cv2.dilate(disparity, square, anchor=(0, 0), borderType=edge)
    least = cv2.erode(disparity, square, anchor=(0, 0), borderType=edge)
    flattest: np.ndarray = cv2.erode(most - least, square, anchor=(1, 1), borderType=edge)
    return flattest
