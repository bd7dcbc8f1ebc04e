"""Points followed by dense optical flow, OpenCV's DIS."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ex4d.training.tracks import Tracks

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["FlowTracker"]

_LOST_PX = 0.5  # a point that flow carries there and back ends within this of where it began,
_LOST_SHARE = 0.05  # and this share of the way


class FlowTracker:
    """Chains dense optical flow from frame to frame. A point is lost for good when it leaves the
    picture, or when the flow back does not return it: it was hidden, or there is nothing to see."""

    def track(self, frames: np.ndarray, points: np.ndarray, start: int) -> Tracks:
        """Follow points [P, 2] of frame `start` of frames uint8 [T, H, W, 3]."""
        grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
        positions = np.empty((len(frames), *points.shape), np.float32)
        seen = np.empty(positions.shape[:2], np.bool_)
        positions[start], seen[start] = points, True
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)

        def flow(here: int, there: int) -> np.ndarray:
            return np.asarray(dis.calc(grey[here], grey[there], None))  # type: ignore[call-overload]

        with _one_thread():
            for step, last in ((1, len(frames) - 1), (-1, 0)):
                for here in range(start, last, step):
                    there = here + step
                    ways = flow(here, there), flow(there, here)
                    positions[there], kept = _follow(positions[here], *ways)
                    seen[there] = seen[here] & kept
        return Tracks(positions, seen)


def _follow(
    points: np.ndarray, there: np.ndarray, back: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Move points [P, 2] by the flow [H, W, 2] to the next frame; and which of them came back by
    the flow from there, and lie in the picture."""
    way = _at(there, points)
    moved = points + way
    missed_px = np.linalg.norm(way + _at(back, moved), axis=1)
    inside = ((moved >= 0) & (moved < there.shape[1::-1])).all(axis=1)
    return moved, inside & (missed_px < _LOST_PX + _LOST_SHARE * np.linalg.norm(way, axis=1))


def _at(flow: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The flow at points [P, 2], interpolated."""
    x, y = (points - np.float32(0.5)).T
    picked = cv2.remap(flow, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(picked).reshape(-1, 2)


@contextmanager
def _one_thread() -> Iterator[None]:
    """DIS cuts a picture into as many stripes as there are threads, and results depend on it."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
