"""Which clips are worth training on, and why others are not."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

__all__ = ["QualityLimits", "depth_fault", "picture_fault"]

_SMALL_PX = 64  # width of the pictures that are compared: noise is averaged away
_NEIGHBORS = 2  # changes before and after a cut that it is compared with
_EVERY_PX = 4  # of rows and columns of depth that are looked at


@dataclass(frozen=True)
class QualityLimits:
    """From where on a clip is left out. Levels are of 255, averaged over small pictures.

    Measured: the largest change between two frames is 4 levels on a still camera, 22 on a hand-held
    one of which every eighth frame is taken, at most 1.8 times the changes around it; cuts between
    two clips are 81 to 94 levels, 20 to 44 times. Flicker is 0.0025 for a depth camera.
    """

    cut_levels: float = 8.0  # a cut changes the picture by this much at once,
    cut_ratio: float = 3.0  # and by this many times the greatest change around it
    least_change_levels: float = 1.0  # from the first frame to the one that differs most
    most_unknown_share: float = 0.3  # of the depth
    least_relief: float = 1.05  # farthest depth over nearest, without 5 % at either end
    most_flicker: float = 0.02  # of the depth: what one frame differs from the mean of its
    # neighbours in time, relative, at the pixel in the middle of all


def picture_fault(frames: np.ndarray, limits: QualityLimits = QualityLimits()) -> str | None:
    """Why a clip's frames uint8 [T, H, W, 3] are no good, as a sentence, or None."""
    height = max(1, round(_SMALL_PX * frames.shape[1] / frames.shape[2]))
    small = np.stack(
        [cv2.resize(f, (_SMALL_PX, height), interpolation=cv2.INTER_AREA) for f in frames]
    ).astype(np.float32)
    changes = np.abs(np.diff(small, axis=0)).mean(axis=(1, 2, 3))
    for frame, change in enumerate(changes):
        before, after = changes[max(0, frame - _NEIGHBORS) : frame], changes[frame + 1 :]
        around = max([*before, *after[:_NEIGHBORS]], default=0.0)
        if change >= limits.cut_levels and change >= limits.cut_ratio * around:
            return (
                f"there is a cut between its frames {frame} and {frame + 1}: "
                f"the picture changes by {change:.0f} of 255 levels at once"
            )
    most = float(np.abs(small - small[0]).mean(axis=(1, 2, 3)).max())
    if most < limits.least_change_levels:
        return f"nothing moves in it: the picture changes by {most:.2g} of 255 levels"
    return None


def depth_fault(
    depth: np.ndarray,  # float32 [T, H, W], all known
    unknown_share: float,  # of it that was filled
    limits: QualityLimits = QualityLimits(),
) -> str | None:
    """Why a clip's depth is no good, as a sentence, or None."""
    if unknown_share > limits.most_unknown_share:
        return f"its depth is unknown in {unknown_share:.0%} of the pixels"
    looked_at = np.log(depth[:, ::_EVERY_PX, ::_EVERY_PX])
    nearest, farthest = np.exp(np.percentile(looked_at, [5, 95]))
    if farthest < limits.least_relief * nearest:
        return f"its depth is flat: {nearest:.4g} to {farthest:.4g}"
    bend = np.abs(looked_at[:-2] - 2 * looked_at[1:-1] + looked_at[2:]) / 2
    flicker = float(np.median(bend, axis=(1, 2)).mean())
    if flicker > limits.most_flicker:
        return f"its depth flickers: it jumps by {flicker:.1%} from frame to frame"
    return None
