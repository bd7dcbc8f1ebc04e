"""The source's own pixels, where the camera sees them, over what the model made.

The generated clip is brought to the plate's size and its colours to the plate's; the source's
pixels lie over it with a soft edge. What is generated then shows only where the source is unseen.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from ex4d.conditions.render import Conditions

__all__ = ["keep_source", "soft_matte"]

_FEATHER = 1 / 64  # of the shorter side: how far the source fades in from a hole's edge
_SPECK = 1 / 256  # of the shorter side: smaller islands of the source are not solid
_STEADY_FRAMES = 4.0  # standard deviation over time of the colour match
_BLACK = 1e-3


def keep_source(
    conditions: Conditions,  # of the plate's size
    generated: np.ndarray,  # uint8 [T, h, w, 3]
) -> np.ndarray:  # uint8 [T, H, W, 3]
    """Composite the seen over the generated. Where the matte is 1 the source is kept exactly."""
    height, width = conditions.mask.shape[1:]
    gain, offset = _color_match(conditions, generated)
    result = np.empty_like(conditions.color)
    for frame, picture in enumerate(generated):
        large = cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC)
        matched = large.astype(np.float32) * gain[frame] + offset[frame]
        matte = soft_matte(conditions.mask[frame])[..., None]
        mixed = matte * conditions.color[frame] + (1 - matte) * matched
        result[frame] = np.clip(mixed + 0.5, 0, 255).astype(np.uint8)
    return result


def soft_matte(
    mask: np.ndarray,  # bool [H, W]
) -> np.ndarray:  # float32 [H, W], 0 where the mask is false
    """How much of the source shows: all of it where it is solid, less towards its edges.

    The frame's own edge is no edge: the source goes on beyond it.
    """
    side = min(mask.shape)
    feather = max(2.0, side * _FEATHER)
    border = int(2 * feather) + 2
    padded = cv2.copyMakeBorder(
        mask.astype(np.uint8), border, border, border, border, cv2.BORDER_REPLICATE
    )
    # An odd side: opening by an even square moves what it keeps, into the holes.
    speck = np.ones((1 + 2 * max(1, round(side * _SPECK / 2)),) * 2, np.uint8)
    solid = cv2.morphologyEx(padded, cv2.MORPH_OPEN, speck)
    distance = cv2.distanceTransform(solid, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    share = np.clip((distance - 1) / feather, 0, 1)[border:-border, border:-border]
    smooth: np.ndarray = (share * share * (3 - 2 * share)).astype(np.float32)
    return smooth


def _color_match(
    conditions: Conditions, generated: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:  # float32 [T, 3] each
    """Gain and offset of each channel that bring the generated to the source where both show the
    same, steadied over time. Frames that see nothing take theirs from their neighbours."""
    n_frames, size = len(generated), generated.shape[2:0:-1]
    moments = np.zeros((n_frames, 4, 3))  # sums of x, y, xx, yy; x generated, y source
    weight = np.zeros(n_frames)
    for frame in range(n_frames):
        small = cv2.resize(conditions.color[frame], size, interpolation=cv2.INTER_AREA)
        matte = cv2.resize(soft_matte(conditions.mask[frame]), size, interpolation=cv2.INTER_AREA)
        seen = matte > 0.999
        x, y = generated[frame][seen] / 255.0, small[seen] / 255.0
        weight[frame] = len(x)
        moments[frame] = [x.sum(0), y.sum(0), (x * x).sum(0), (y * y).sum(0)]
    steady = _smoothed(np.column_stack([moments.reshape(n_frames, -1), weight]))
    total = np.maximum(steady[:, -1:], _BLACK)
    x, y, xx, yy = np.moveaxis(steady[:, :-1].reshape(n_frames, 4, 3), 1, 0) / total
    spread_x = np.sqrt(np.maximum(xx - x * x, 0))
    spread_y = np.sqrt(np.maximum(yy - y * y, 0))
    gain = np.where(spread_x > 0.01, spread_y / np.maximum(spread_x, 0.01), 1.0)
    gain = np.clip(gain, 0.5, 2.0)
    offset = 255 * (y - gain * x)
    seen_any = steady[:, -1:] > 0
    return (
        np.where(seen_any, gain, 1).astype(np.float32),
        np.where(seen_any, offset, 0).astype(np.float32),
    )


def _smoothed(values: np.ndarray) -> np.ndarray:
    """Values [T, n] averaged over time."""
    steps = np.arange(len(values))
    weights = np.exp(-0.5 * ((steps[:, None] - steps) / _STEADY_FRAMES) ** 2)
    averaged: np.ndarray = weights @ values
    return averaged
