"""Pictures of a clip in the making, as one small JPEG."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from protocol.limits import PREVIEW_BYTES

__all__ = ["Strip", "make_strip"]

_MOST_PICTURES = 8
_WIDEST_PX = 2048
_QUALITIES = (85, 60, 35)


@dataclass(frozen=True)
class Strip:
    """Pictures side by side, from the clip's beginning to its end; the size is that of all."""

    width: int
    height: int
    frames: int
    data: bytes  # a JPEG


def make_strip(pictures: np.ndarray) -> Strip:
    """Put some of the pictures uint8 [N, h, w, 3] side by side in a JPEG that a message can carry;
    first its quality gives way, then its size."""
    count = min(len(pictures), _MOST_PICTURES)
    chosen = np.linspace(0, len(pictures) - 1, count).round().astype(int)
    height, width = pictures.shape[1:3]
    scale = min(1.0, _WIDEST_PX / (count * width))
    while True:
        size = max(1, int(scale * width)), max(1, int(scale * height))
        shown = [_resized(pictures[number], size) for number in chosen]
        strip = np.ascontiguousarray(np.concatenate(shown, axis=1)[..., ::-1])  # OpenCV's order
        for quality in _QUALITIES:
            encoded = cv2.imencode(".jpg", strip, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
            if encoded.size <= PREVIEW_BYTES:
                return Strip(strip.shape[1], strip.shape[0], count, encoded.tobytes())
        scale *= 0.7


def _resized(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if picture.shape[1::-1] == size:
        return picture
    resized: np.ndarray = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    return resized
