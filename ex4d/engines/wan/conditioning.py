"""The conditions in the form that the model was trained on: size, length, rims, ranges.

Frames number 4 n + 1 and sides are multiples of 16: what is missing is repeated from the last frame
and the nearest edge, and cut off the result again. The picture's aspect stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ex4d.conditions.backdrop import Backdrop
from ex4d.conditions.render import Conditions
from ex4d.conditions.resize import resize_conditions
from ex4d.engines.preview import PreviewEngine
from ex4d.engines.wan.erosion import erode_mask
from ex4d.engines.wan.windows import FRAMES_PER_LATENT, n_latents_of, plan_windows

__all__ = ["ModelInput", "model_size", "prepare"]

_MULTIPLE = 16  # pixels: 8 for a latent, and 2 latents for a token
_TRAINED_PIXELS = 512 * 512


@dataclass(frozen=True)
class ModelInput:
    """What is encoded."""

    color: np.ndarray  # uint8 [T, H, W, 3], 4 n + 1 frames, multiples of 16; black where not seen
    mask: np.ndarray  # bool [T, H, W], eroded
    n_frames: int  # of the clip, without the repeated ones
    size: tuple[int, int]  # width and height of the clip, without the repeated edges
    backdrop: Backdrop | None  # padded alike

    def first_frame(self, frame: int) -> np.ndarray:
        """The frame uint8 [H, W, 3] that a window begins with.

        Frame 0 is as conditioned: with a camera that starts at the source it is the source's own
        frame. Later windows begin with what a camera has left behind it; the model repeats its
        first frame, so what is not seen there is filled as in a draft, or it would stay black.
        """
        if frame == 0 or not self.mask[frame].any():
            picture: np.ndarray = self.color[frame]
            return picture
        one = slice(frame, frame + 1)
        backdrop = self.backdrop and Backdrop(self.backdrop.color[one], self.backdrop.mask[one])
        alone = Conditions(self.color[one], self.mask[one], backdrop)
        filled: np.ndarray = PreviewEngine().generate(alone)[0]
        return filled


def model_size(size: tuple[int, int], asked: tuple[int, int] | None = None) -> tuple[int, int]:
    """The even width and height of a result: as asked, or those of the conditions, shrunk to the
    number of pixels that the weights were trained at."""
    width, height = asked or size
    scale = 1.0 if asked else min(1.0, (_TRAINED_PIXELS / (width * height)) ** 0.5)
    return max(16, 2 * round(width * scale / 2)), max(16, 2 * round(height * scale / 2))


def prepare(conditions: Conditions, seed: int, asked: tuple[int, int] | None = None) -> ModelInput:
    """Bring conditions to the model's size and length."""
    n_frames, height, width = conditions.mask.shape
    size = model_size((width, height), asked)
    is_one_window = (
        len(plan_windows(n_latents_of(n_frames + (1 - n_frames) % FRAMES_PER_LATENT))) == 1
    )
    if is_one_window:  # only the first frame of a later one is filled from it
        conditions = Conditions(conditions.color, conditions.mask)
    resized = resize_conditions(conditions, size)
    mask = erode_mask(resized.mask, seed)
    color = resized.color.copy()
    color[~mask] = 0
    backdrop = resized.backdrop
    if backdrop is not None:
        backdrop = Backdrop(_padded(backdrop.color), _padded(backdrop.mask))
    return ModelInput(_padded(color), _padded(mask), n_frames, size, backdrop)


def _padded(video: np.ndarray) -> np.ndarray:
    n_frames, height, width = video.shape[:3]
    more = ((0, (1 - n_frames) % FRAMES_PER_LATENT), (0, -height % _MULTIPLE))
    rest = ((0, 0),) * (video.ndim - 3)
    widths = (*more, (0, -width % _MULTIPLE), *rest)
    return np.pad(video, widths, mode="edge") if np.any(widths) else video
