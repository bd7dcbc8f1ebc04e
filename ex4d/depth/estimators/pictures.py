"""Frames brought to what a network takes, and its maps back to the frames' size."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

from ex4d.errors import TooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from torch import Tensor

__all__ = ["memory_errors", "resized_frames", "to_frame_size"]


def resized_frames(
    frames: np.ndarray,  # uint8 [B, H, W, 3]
    size: tuple[int, int],  # (w, h)
    device: torch.device,
) -> Tensor:  # float32 [B, 3, h, w], whole numbers 0 to 255
    """Resize frames as image processors do: bicubic, antialiased, rounded to whole levels."""
    pictures = torch.from_numpy(frames).to(device).permute(0, 3, 1, 2).float()
    if pictures.shape[-2:] != size[::-1]:
        pictures = functional.interpolate(pictures, size[::-1], mode="bicubic", antialias=True)
    return pictures.round().clamp(0, 255)


def to_frame_size(maps: Tensor, size: tuple[int, int]) -> np.ndarray:
    """Resize maps [B, h, w] to frames of (W, H), between pixel centres: float32 [B, H, W].

    Disparity is given, not depth: it is linear across a plane's picture.
    """
    maps = functional.interpolate(
        maps[:, None].float(), size[::-1], mode="bilinear", align_corners=False
    )
    resized: np.ndarray = maps[:, 0].cpu().numpy()
    return resized


@contextmanager
def memory_errors(label: str, n_frames: int, size: tuple[int, int]) -> Iterator[None]:
    """Turn a device's lack of memory into TooLargeError, which says what would fit."""
    try:
        yield
    except torch.OutOfMemoryError:
        width, height = (max(64, side * 3 // 4 // 8 * 8) for side in size)
        raise TooLargeError(
            f"{label} needs more memory for {n_frames} frames of {size[0]}x{size[1]} than is free: "
            f"try {width}x{height}, or fewer frames"
        ) from None
