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
    known = [cv2.resize(m.astype(np.float32), size, interpolation=cv2.INTER_AREA) for m in mask]
    colors = [cv2.resize(c.astype(np.float32), size, interpolation=cv2.INTER_AREA) for c in color]
    share = np.stack(known)
    # The colours are black outside the mask: dividing by the share leaves no dark rim.
    divided = np.stack(colors) / np.maximum(share, 1e-3)[..., None]
    seen = share > 0.5
    return np.where(seen[..., None], np.clip(divided + 0.5, 0, 255), 0).astype(np.uint8), seen
