"""The preview engine: a draft for eyes, on any CPU, without weights.

The mask's places show the conditions as they are. Holes show the backdrop where there is one (see
`ex4d.conditions.backdrop`), and otherwise a smooth fill from what is around them.
"""

from __future__ import annotations

import cv2
import numpy as np

from ex4d.conditions.render import Conditions, run_frames
from ex4d.engines.base import GenerateSettings, Watcher
from ex4d.engines.push_pull import ClipFiller
from ex4d.errors import InputError
from ex4d.raster.cpu import available_cores

__all__ = ["PreviewEngine"]


_RIM_PX = 2
_NO_SETTINGS = GenerateSettings()
_NOBODY = Watcher()


class PreviewEngine:
    """Fills disocclusions from other frames, then from the background side, then smoothly."""

    name = "preview"
    label = "EX-4D preview engine: a draft, filled without a diffusion model"
    follows_settings = False
    uses_backdrop = True

    def generate(
        self,
        conditions: Conditions,
        *,
        seed: int = 0,  # nothing here is random
        settings: GenerateSettings = _NO_SETTINGS,  # and nothing is diffused
        watcher: Watcher = _NOBODY,
    ) -> np.ndarray:
        """Make the finished frames uint8 [T, H, W, 3]; no pixel stays unfilled.

        Raises InputError when the mask shows nothing in any frame.
        """
        if not conditions.mask.any():
            raise InputError(
                "the mask shows nothing in any frame, so there is nothing to fill from"
            )
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
