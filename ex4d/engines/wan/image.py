"""The first frame as the image encoder sees it: the public code's `clip_fea`
(`WanImageEncoder.encode_image`; in diffsynth `WanVideoUnit_ImageEmbedderCLIP`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ex4d.engines.wan.transformer import autocast, compute_dtype

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["encode_image"]

# CLIP's means and deviations of red, green and blue
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_DEVIATION = (0.26862954, 0.26130258, 0.27577711)


@torch.no_grad()
def encode_image(
    encoder: Any,  # a VisionTransformer, on the device
    picture: np.ndarray,  # uint8 [H, W, 3]
    device: torch.device,
) -> Tensor:  # [1, 257, 1280]
    """Return the features of all but the last block, as Wan was trained on."""
    pixels = torch.from_numpy(np.ascontiguousarray(picture)).to(device, torch.float32) / 255
    pixels = pixels.permute(2, 0, 1)[None]
    side = encoder.image_size
    small = torch.nn.functional.interpolate(pixels, (side, side), mode="bicubic")
    mean, deviation = (torch.tensor(v, device=device).view(3, 1, 1) for v in (_MEAN, _DEVIATION))
    normalised = ((small - mean) / deviation).to(compute_dtype(device))
    with autocast(device):
        features: Tensor = encoder(normalised, use_31_block=True)
    return features
