"""Conditions at another size."""

from __future__ import annotations

import cv2
import numpy as np

from ex4d.conditions.backdrop import Backdrop
from ex4d.conditions.render import Conditions

__all__ = ["resize_conditions"]


def resize_conditions(conditions: Conditions, size: tuple[int, int]) -> Conditions:
    """Return conditions of another width and height; a pixel is masked in where most of it was."""
    height, width = conditions.mask.shape[1:]
    if size == (width, height):
        return conditions
    backdrop = conditions.backdrop
    if backdrop is not None:
        backdrop = Backdrop(*_resized(backdrop.color, backdrop.mask, size))
    return Conditions(*_resized(conditions.color, conditions.mask, size), backdrop)


def _resized(
    color: np.ndarray, mask: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Frame by frame: a clip as float32 is larger than any cache of a processor."""
    width, height = size
    colors = np.empty((len(color), height, width, 3), np.uint8)
    seen = np.empty((len(mask), height, width), np.bool_)
    for number, (picture, known) in enumerate(zip(color, mask, strict=True)):
        share = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        resized = cv2.resize(picture.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        # The colours are black outside the mask: dividing by the share leaves no dark rim.
        resized /= np.maximum(share, 1e-3)[..., None]
        resized += 0.5
        np.greater(share, 0.5, out=seen[number])
        colors[number] = np.clip(resized, 0, 255, out=resized)
        colors[number][~seen[number]] = 0
    return colors, seen
