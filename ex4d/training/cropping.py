"""Clips of any shape at the training size: scaled until they cover it, then cut at the middle.

The aspect is kept, unlike in the public code, which squashes; the lens is cut with the picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ex4d.conditions.scene import Scene

if TYPE_CHECKING:
    from ex4d.depth.files import ClipDepth
    from ex4d.video.reader import Clip

__all__ = ["covering_size", "cropped_frames", "cropped_scene"]


def covering_size(native_size: tuple[int, int], size: tuple[int, int]) -> tuple[int, int]:
    """The smallest (W, H) of the native aspect, to a pixel, that covers `size`."""
    scale = max(size[0] / native_size[0], size[1] / native_size[1])
    width, height = (max(b, round(a * scale)) for a, b in zip(native_size, size, strict=True))
    return width, height


def cropped_frames(clip: Clip, size: tuple[int, int]) -> np.ndarray:
    """The middle of a clip's frames, uint8 [T, H, W, 3]."""
    rows, columns = _middle(clip.frames.shape[1:3], size)
    return np.ascontiguousarray(clip.frames[:, rows, columns])


def cropped_scene(frames: np.ndarray, given: ClipDepth) -> Scene:
    """The scene of cropped frames and the depth of the whole pictures."""
    height, width = frames.shape[1:3]
    rows, columns = _middle(given.depth.shape[1:], (width, height))
    corner = np.array([[0, 0, columns.start], [0, 0, rows.start], [0, 0, 0]])
    depth = np.ascontiguousarray(given.depth[:, rows, columns])
    return Scene(frames, depth, given.intrinsics - corner)


def _middle(shape: tuple[int, ...], size: tuple[int, int]) -> tuple[slice, slice]:
    top, left = (shape[0] - size[1]) // 2, (shape[1] - size[0]) // 2
    return slice(top, top + size[1]), slice(left, left + size[0])
