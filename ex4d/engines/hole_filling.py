"""Filling of what the new camera sees and the source did not, without a diffusion model.

The mask's places show the conditions as they are. Holes show the backdrop where there is one (see
`ex4d.conditions.backdrop`), and otherwise a smooth fill from what is around them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ex4d.conditions.render import run_frames
from ex4d.engines.push_pull import ClipFiller
from ex4d.raster.cpu import available_cores

if TYPE_CHECKING:
    from ex4d.conditions.render import Conditions
    from ex4d.engines.base import Watcher

__all__ = ["fill_holes"]

_RIM_PX = 2


def fill_holes(
    conditions: Conditions,  # whose mask shows something
    watcher: Watcher,
) -> np.ndarray:  # uint8 [T, H, W, 3]
    """Make the finished frames; no pixel stays unfilled."""
    n_frames = len(conditions.color)
    filler = ClipFiller(n_frames)
    frames = np.empty_like(conditions.color)

    def add(frame: int) -> None:
        color, known = _with_backdrop(conditions, frame)
        filler.add(frame, color, _sources(conditions, known))

    def fill(frame: int) -> None:
        color, known = _with_backdrop(conditions, frame)
        frames[frame] = filler.fill(frame, color, _sources(conditions, known))
        frames[frame][known] = color[known]

    def report(done: int, total: int) -> None:
        watcher.progress("fill", done, total)

    run_frames(add, n_frames, available_cores())
    filler.steady()
    run_frames(fill, n_frames, available_cores(), report)
    return frames


def _sources(conditions: Conditions, known: np.ndarray) -> np.ndarray:
    """The pixels that colours are spread from: all that are known, unless the videos come from
    elsewhere. Those are lossy, and black has bled into the rims of what they show."""
    if conditions.backdrop is not None:
        return known
    inner = cv2.erode(known.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=_RIM_PX)
    return inner.astype(np.bool_) if inner.any() else known


def _with_backdrop(conditions: Conditions, frame: int) -> tuple[np.ndarray, np.ndarray]:
    """Colour uint8 [H, W, 3] of a frame and its backdrop, and where one of them is known."""
    color, known = conditions.color[frame], conditions.mask[frame]
    if conditions.backdrop is None:
        return color, known
    behind = conditions.backdrop.mask[frame] & ~known
    color = np.where(behind[..., None], conditions.backdrop.color[frame], color)
    return color, known | behind
