"""A dense motion as few keys with handles: curves that stay as near to it as is asked.

Between two keys lies a cubic polynomial of the time, which is what Blender makes of handles that
reach a third of the way. Where keys meet, both handles lie on one line: the curve has no kinks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Keys", "dense_keys", "few_keys"]

_MOST_KEYS = 64
_PULL = 1e-3  # to the motion's own slope, where keys leave nothing between them to fit


@dataclass(frozen=True)
class Keys:
    """Keys of several channels at the same frames."""

    frames: np.ndarray  # int64 [K], from 0 on, rising
    values: np.ndarray  # float64 [K, C]
    slopes: np.ndarray | None = None  # float64 [K, C], per frame; None: straight lines between keys


def dense_keys(motion: np.ndarray) -> Keys:
    """One key a frame of a motion [T, C], with straight lines between them."""
    return Keys(np.arange(len(motion)), motion)


def few_keys(
    motion: np.ndarray,  # float64 [T, C]
    error_of: Callable[[np.ndarray], np.ndarray],  # motion [T, C] -> error of each frame [T]
    tolerance: float,
) -> Keys:
    """The fewest evenly spaced keys, each on the motion, whose curves have no greater error at any
    frame; one key a frame where that takes more keys than half of the frames, or than 64."""
    n_frames = len(motion)
    for n_keys in range(2, min(n_frames // 2, _MOST_KEYS) + 1):
        frames = np.round(np.linspace(0, n_frames - 1, n_keys)).astype(np.int64)
        at_values, at_slopes = _hermite(frames, n_frames)
        values = motion[frames]
        slopes = _slopes(motion, frames, at_slopes, motion - at_values @ values)
        if error_of(at_values @ values + at_slopes @ slopes).max() <= tolerance:
            return Keys(frames, values, slopes)
    return dense_keys(motion)


def _hermite(frames: np.ndarray, n_frames: int) -> tuple[np.ndarray, np.ndarray]:
    """What the values and what the slopes of keys add at every frame, [T, K] each."""
    times = np.arange(n_frames)
    left = np.clip(np.searchsorted(frames, times, side="right") - 1, 0, len(frames) - 2)
    length = np.diff(frames)[left]
    s = (times - frames[left]) / length
    at_values, at_slopes = np.zeros((2, n_frames, len(frames)))
    at_values[times, left] = (1 + 2 * s) * (1 - s) ** 2
    at_values[times, left + 1] = s**2 * (3 - 2 * s)
    at_slopes[times, left] = s * (1 - s) ** 2 * length
    at_slopes[times, left + 1] = s**2 * (s - 1) * length
    return at_values, at_slopes


def _slopes(
    motion: np.ndarray, frames: np.ndarray, at_slopes: np.ndarray, rest: np.ndarray
) -> np.ndarray:
    """The slopes [K, C] that come nearest to what the values leave, [T, C]."""
    own = np.gradient(motion, axis=0)[frames]
    weights = np.concatenate([at_slopes, _PULL * np.eye(len(frames))])
    targets = np.concatenate([rest, _PULL * own])
    slopes: np.ndarray = np.linalg.lstsq(weights, targets, rcond=None)[0]
    return slopes
