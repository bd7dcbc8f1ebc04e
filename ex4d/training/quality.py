"""Which clips are worth training on, and why others are not."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ex4d.video.cuts import cut_levels

__all__ = ["QualityLimits", "depth_fault", "picture_fault"]

_SMALL_PX = 64  # width of the pictures that are compared: noise is averaged away
_EVERY_PX = 4  # of rows and columns of depth that are looked at


@dataclass(frozen=True)
class QualityLimits:
    """From where on a clip is left out. Flicker of a depth camera, measured, is 0.0025."""

    least_change_levels: float = 1.0  # of 255, from the first frame to the one that differs most
    most_unknown_share: float = 0.3  # of the depth
    least_relief: float = 1.05  # farthest depth over nearest, without 5 % at either end
    most_flicker: float = 0.02  # of the depth: what one frame differs from the mean of its
    # neighbours in time, relative, at the pixel in the middle of all


def picture_fault(frames: np.ndarray, limits: QualityLimits = QualityLimits()) -> str | None:
    """Why a clip's frames uint8 [T, H, W, 3] are no good, as a sentence, or None."""
    for frame, levels in cut_levels(frames).items():
        return (
            f"there is a cut between its frames {frame - 1} and {frame}: "
            f"the picture changes by {levels:.0f} of 255 levels at once"
        )
    height = max(1, round(_SMALL_PX * frames.shape[1] / frames.shape[2]))
    small = np.stack(
        [cv2.resize(f, (_SMALL_PX, height), interpolation=cv2.INTER_AREA) for f in frames]
    ).astype(np.float32)
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
