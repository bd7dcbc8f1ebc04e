"""The first frame as an image-to-video model wants it: the public code's `y`
(`WanVideoPipeline.encode_image`; in diffsynth `WanVideoUnit_ImageEmbedderVAE`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ex4d.engines.wan.windows import FRAMES_PER_LATENT

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["first_frame_conditioning", "first_frame_video"]


def first_frame_video(
    picture: np.ndarray,  # uint8 [H, W, 3]
    frames: slice,
    first: int = 0,  # the frame that the picture is
) -> np.ndarray:  # float32 [t, H, W, 3]
    """The frames of a video that shows a picture, and grey after it: values from -1 to 1."""
    video = np.repeat(picture[None], frames.stop - frames.start, axis=0).astype(np.float32)
    video = video / np.float32(127.5) - np.float32(1)
    video[max(0, first + 1 - frames.start) :] = 0
    return video


def first_frame_conditioning(
    latents: Tensor,  # [1, C, T', h, w]: `first_frame_video`, encoded
) -> Tensor:  # [1, 4 + C, T', h, w]
    """Put four channels before the latents, 1 at the first one: the mask of what is given."""
    known = torch.zeros_like(latents[:, :FRAMES_PER_LATENT])
    known[:, :, 0] = 1
    return torch.cat([known, latents], dim=1)
