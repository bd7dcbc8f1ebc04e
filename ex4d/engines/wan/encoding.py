"""The videos that are encoded, as values of the models made on their device, and the first frame as
an image-to-video model wants it: the public code's `y` (`WanVideoPipeline.encode_image`; in
diffsynth `WanVideoUnit_ImageEmbedderVAE`)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ex4d.engines.wan.windows import FRAMES_PER_LATENT

__all__ = [
    "ReadFrames",
    "color_values",
    "first_frame_conditioning",
    "first_frame_values",
    "mask_values",
]

# Some frames of a video as float32 [t, H, W, 3] on a device. Pictures go there as bytes.
ReadFrames = Callable[[slice, torch.device], Tensor]


def color_values(color: np.ndarray) -> ReadFrames:  # uint8 [T, H, W, 3]
    """Colours from -1 to 1; black, -1, where nothing is seen."""

    def read(frames: slice, device: torch.device) -> Tensor:
        return _values(color[frames], device)

    return read


def mask_values(mask: np.ndarray) -> ReadFrames:  # bool [T, H, W]
    """A mask as -3 and +1.

    Trained so: the public code, and its authors' own data, stretch {0, 1} twice.
    """

    def read(frames: slice, device: torch.device) -> Tensor:
        seen = torch.from_numpy(np.ascontiguousarray(mask[frames])).to(device)
        return (4 * seen.float() - 3)[..., None].expand(-1, -1, -1, 3)

    return read


def first_frame_values(
    picture: np.ndarray,  # uint8 [H, W, 3]
    first: int = 0,  # the frame that the picture is
) -> ReadFrames:
    """A video that shows a picture, and grey, 0, after it."""

    def read(frames: slice, device: torch.device) -> Tensor:
        values = torch.zeros(frames.stop - frames.start, *picture.shape, device=device)
        n_shown = max(0, first + 1 - frames.start)
        if n_shown:
            values[:n_shown] = _values(picture, device)
        return values

    return read


def _values(picture: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture)).to(device).float() / 127.5 - 1


def first_frame_conditioning(
    latents: Tensor,  # [1, C, T', h, w]: `first_frame_values`, encoded
) -> Tensor:  # [1, 4 + C, T', h, w]
    """Put four channels before the latents, 1 at the first one: the mask of what is given."""
    known = torch.zeros_like(latents[:, :FRAMES_PER_LATENT])
    known[:, :, 0] = 1
    return torch.cat([known, latents], dim=1)
