"""Frames of a result against the truth's: PSNR, SSIM and flicker; of all pixels, of those that the
source shows, and of those that had to be invented."""

from __future__ import annotations

import cv2
import numpy as np

from ex4d.errors import InputError

__all__ = ["METRICS", "REGIONS", "compare_frames", "mean_of"]

METRICS = ("psnr", "ssim", "flicker")
REGIONS = ("all", "seen", "unseen")
_MOST_PSNR = 100.0  # dB, of equal pictures: without a limit one such frame would be the whole mean
_WINDOW_PX, _SIGMA_PX = 11, 1.5
_STABLE = ((0.01 * 255) ** 2, (0.03 * 255) ** 2)


def compare_frames(
    result: np.ndarray,  # uint8 [T, H, W, 3]
    truth: np.ndarray,  # uint8 [T, H, W, 3]
    mask: np.ndarray | None = None,  # bool [T, H, W], true where the source is seen
) -> dict[str, np.ndarray]:
    """Return "psnr/all" (dB), "ssim/unseen" and so on, float64 [T] each; NaN for a frame without
    such pixels. Flicker is how much a pixel's change from the frame before differs from the truth's
    change, in levels of 255: a steady error has none; it needs both frames to be seen.

    SSIM as in Wang et al. 2004: a Gaussian window of 11 pixels, each colour for itself.
    Raises InputError when sizes or lengths differ.
    """
    others = {"truth": truth} if mask is None else {"truth": truth, "mask": mask}
    for name, other in others.items():
        if other.shape[:3] != result.shape[:3]:
            here, there = (
                f"{n} frames of {w}x{h}" for n, h, w in (result.shape[:3], other.shape[:3])
            )
            raise InputError(f"the result has {here}, and the {name} {there}")
    regions = REGIONS if mask is not None else REGIONS[:1]
    curves = {f"{m}/{r}": np.full(len(result), np.nan) for m in METRICS for r in regions}
    for frame in range(len(result)):
        for metric, picture in _pictures(result, truth, frame).items():
            for region in regions:
                where = _where(mask, frame, region, both=metric == "flicker")
                if where.any():
                    curves[f"{metric}/{region}"][frame] = _value(metric, picture[where].mean())
    return curves


def mean_of(values: np.ndarray) -> float | None:
    """The mean of the frames that have a value; None when there is none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _pictures(result: np.ndarray, truth: np.ndarray, frame: int) -> dict[str, np.ndarray]:
    """What each metric says of every pixel [H, W]."""
    ours, theirs = (video[frame].astype(np.float64) for video in (result, truth))
    pictures = {"psnr": ((ours - theirs) ** 2).mean(axis=-1), "ssim": _similarity(ours, theirs)}
    if frame:
        before = result[frame - 1].astype(np.float64) - truth[frame - 1]
        pictures["flicker"] = np.abs(ours - theirs - before).mean(axis=-1)
    return pictures


def _similarity(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    def smooth(picture: np.ndarray) -> np.ndarray:
        return cv2.GaussianBlur(picture, (_WINDOW_PX,) * 2, _SIGMA_PX)

    mean_one, mean_other = smooth(one), smooth(other)
    squares = mean_one**2, mean_other**2, mean_one * mean_other
    variance_one = smooth(one**2) - squares[0]
    variance_other = smooth(other**2) - squares[1]
    covariance = smooth(one * other) - squares[2]
    same_light = (2 * squares[2] + _STABLE[0]) / (squares[0] + squares[1] + _STABLE[0])
    same_form = (2 * covariance + _STABLE[1]) / (variance_one + variance_other + _STABLE[1])
    similarity: np.ndarray = (same_light * same_form).mean(axis=-1)
    return similarity


def _where(mask: np.ndarray | None, frame: int, region: str, *, both: bool) -> np.ndarray:
    """Which pixels [H, W] a region has; with `both`, seen in the frame before too."""
    if mask is None or region == "all":
        return np.ones(() if mask is None else mask.shape[1:], np.bool_)
    seen: np.ndarray = mask[frame] & mask[frame - 1] if both else mask[frame]
    return seen if region == "seen" else ~seen


def _value(metric: str, mean: float) -> float:
    if metric != "psnr":
        return mean
    return min(_MOST_PSNR, 10 * float(np.log10(255**2 / max(mean, 1e-10))))
