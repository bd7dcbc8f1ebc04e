"""Where the pixels of one frame are in another: dense optical flow (OpenCV's DIS), checked both
ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from ex4d.runtime.parallel import on_all_cores

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["ClipFlow", "Matches"]

_LONG_SIDE_PX = 320  # that the flow is computed at: 6 ms a pair on one core
_GRID_PX = 6  # between the points of `matches`, at that size
_MOST_ERROR_PX = 0.5  # there and back, at that size


@dataclass(frozen=True, eq=False)
class Matches:
    """Points of one frame that were found again in another, in pixels of the clip's frames."""

    here: np.ndarray  # float64 [P, 2], x and y, pixel centres at +0.5
    there: np.ndarray  # float64 [P, 2]
    share: float  # of the points that were looked for


class ClipFlow:
    """The optical flow between any two frames of a clip. Safe to ask from several threads."""

    def __init__(self, frames: np.ndarray) -> None:
        """Take frames uint8 [N, H, W, 3]; small grey copies are kept."""
        height, width = frames.shape[1:3]
        scale = min(1.0, _LONG_SIDE_PX / max(height, width))
        self._size = max(16, round(width * scale)), max(16, round(height * scale))
        self._to_frames = np.array([width / self._size[0], height / self._size[1]])
        self._grey = [
            cv2.cvtColor(
                cv2.resize(frame, self._size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY
            )
            for frame in frames
        ]

    def dense(self, here: int, there: int) -> np.ndarray:
        """By how much every pixel moves from frame `here` to `there`: float32 [h, w, 2], x and y,
        at the small size and in its pixels."""
        method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        flow: np.ndarray = method.calc(self._grey[here], self._grey[there], None)  # type: ignore[call-overload]
        return flow

    def matches(self, here: int, there: int) -> Matches:
        """Points of a regular grid that come back to within half a pixel."""
        forward, backward = self.dense(here, there), self.dense(there, here)
        width, height = self._size
        y, x = np.mgrid[_GRID_PX // 2 : height : _GRID_PX, _GRID_PX // 2 : width : _GRID_PX]
        start = np.stack([x.ravel(), y.ravel()], axis=-1).astype(np.float32)
        end = start + forward[y.ravel(), x.ravel()]
        back = end + _sampled(backward, end)
        inside = ((end >= 0) & (end <= [width - 1, height - 1])).all(axis=1)
        good = inside & (np.linalg.norm(back - start, axis=1) <= _MOST_ERROR_PX)
        here_px, there_px = ((points[good] + 0.5) * self._to_frames for points in (start, end))
        return Matches(here_px, there_px, float(good.mean()))

    def all_matches(self, pairs: Iterable[tuple[int, int]]) -> list[Matches]:
        """`matches` of many pairs, on all cores."""
        return on_all_cores(lambda pair: self.matches(*pair), pairs)


def _sampled(flow: np.ndarray, points: np.ndarray) -> np.ndarray:
    """A flow [h, w, 2] between its pixels, at points [P, 2]: float32 [P, 2]."""
    x, y = np.ascontiguousarray(points.T)
    sampled: np.ndarray = cv2.remap(
        flow, x[None], y[None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )[0]
    return sampled
