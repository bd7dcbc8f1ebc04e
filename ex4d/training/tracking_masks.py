"""Tracking masks: a part of what a clip shows becomes hidden, and stays hidden while it moves.

The law. A seed draws an anchor frame, and for all its pixels the order in which they are hidden:
the rank, 0 to 1, of a slope across the frame plus soft waves, so what is hidden begins at a side or
as islands and grows. Points on a grid of the anchor frame carry their rank with them, followed to
the beginning and the end of the clip; they enter and leave the picture with what they show. In
frame t a pixel has the rank of the nearest point seen there, smoothed over the grid's spacing, and
is hidden when it is below s min(1, t / g). s, the share of the anchor frame that is hidden in
the end, is drawn from 0.15 to 0.6; g, the frame at which it is reached, from the second quarter of
the clip on. So frame 0 is full, as it is at inference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from ex4d.training.tracks import Tracker, Tracks

__all__ = ["HidingOrder", "draw_order", "tracking_mask"]

_POINTS_ALONG = 96  # the longer side of the picture


@dataclass(frozen=True)
class HidingOrder:
    """Which part of a clip becomes hidden, and when."""

    anchor: int  # frame
    rank: np.ndarray  # float32 [H, W] of the anchor frame: the share of it that is hidden earlier
    share: float  # of the anchor frame that is hidden in the end
    grown_at: int  # the frame from which on it is

    def limit(self, frame: int) -> float:
        """The rank below which a frame's pixels are hidden."""
        return self.share * min(1.0, frame / self.grown_at)


def draw_order(seed: int, n_frames: int, size: tuple[int, int]) -> HidingOrder:
    """Draw what is hidden in a clip of `size` (W, H); the same arguments give the same."""
    random = np.random.default_rng(seed)
    width, height = size
    y, x = np.mgrid[:height, :width] / max(size)
    direction, slope = random.uniform(0, 2 * np.pi), random.uniform(0, 4)
    field = slope * (np.cos(direction) * x + np.sin(direction) * y)
    for _ in range(3):
        a, b = random.uniform(-2, 2, 2)  # waves across the picture
        field += np.cos(2 * np.pi * (a * x + b * y) + random.uniform(0, 2 * np.pi))
    rank = np.empty(field.size, np.float32)
    rank[np.argsort(field, axis=None, kind="stable")] = np.linspace(0, 1, field.size)
    return HidingOrder(
        anchor=int(random.integers(n_frames)),
        rank=rank.reshape(field.shape),
        share=float(random.uniform(0.15, 0.6)),
        grown_at=max(1, round((n_frames - 1) * random.uniform(0.25, 1))),
    )


def tracking_mask(frames: np.ndarray, order: HidingOrder, tracker: Tracker) -> np.ndarray:
    """The mask bool [T, H, W], true where visible, of a clip's frames uint8 [T, H, W, 3]."""
    n_frames, height, width = frames.shape[:3]
    spacing = max(1, round(max(width, height) / _POINTS_ALONG))
    y, x = np.mgrid[spacing // 2 : height : spacing, spacing // 2 : width : spacing]
    points = np.stack([x.ravel(), y.ravel()], axis=-1).astype(np.float32) + np.float32(0.5)
    tracks = tracker.track(frames, points, order.anchor)
    ranks = order.rank[y.ravel(), x.ravel()]
    mask = np.empty((n_frames, height, width), np.bool_)
    rank = order.rank  # kept where no point is seen at all
    for frame in range(n_frames):
        rank = _spread(tracks, frame, ranks, rank)
        smooth = cv2.GaussianBlur(rank, (0, 0), spacing)
        mask[frame] = smooth >= order.limit(frame)
    return mask


def _spread(tracks: Tracks, frame: int, ranks: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Give each pixel [H, W] the rank of the nearest point that the frame shows."""
    seen = tracks.seen[frame]
    if not seen.any():
        return before
    height, width = before.shape
    column, row = tracks.positions[frame, seen].astype(int).T.clip(0, [[width - 1], [height - 1]])
    free = np.ones((height, width), np.uint8)
    free[row, column] = 0
    _, nearest = cv2.distanceTransformWithLabels(
        free, cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    rank_of = np.empty(nearest.max() + 1, np.float32)
    rank_of[nearest[row, column]] = ranks[seen]
    return np.asarray(rank_of[nearest])
