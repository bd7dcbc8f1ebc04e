"""DepthCrafter's models from their files."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch

from ex4d.depth.estimators.depthcrafter.estimator import DepthCrafter
from ex4d.depth.estimators.hub_model import load_hub_model, loading_errors, read_settings
from ex4d.depth.estimators.pictures import Normalisation
from ex4d.errors import WeightsError
from ex4d.runtime.torchvision_operators import declare_torchvision_operators

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load"]


def load(folders: list[Path], device: torch.device) -> DepthCrafter:
    """Load the denoiser from the first folder, and what it shares with Stable Video Diffusion from
    the second; in fp16 on a GPU, fp32 on the CPU. Raises WeightsError."""
    declare_torchvision_operators()
    import diffusers
    from transformers import CLIPVisionModelWithProjection

    unet, shared = folders
    path = shared / "feature_extractor" / "preprocessor_config.json"
    settings = read_settings(path)
    with loading_errors(shared / "scheduler"):
        scheduler = diffusers.EulerDiscreteScheduler.from_pretrained(
            shared / "scheduler", local_files_only=True
        )
    try:
        normalisation = Normalisation.read(settings)
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} is not that of an image encoder ({error!r})") from None
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    model = partial(load_hub_model, device=device, dtype=dtype)
    return DepthCrafter(
        model(diffusers.UNetSpatioTemporalConditionModel, unet),
        model(diffusers.AutoencoderKLTemporalDecoder, shared / "vae", variant="fp16"),
        model(CLIPVisionModelWithProjection, shared / "image_encoder", variant="fp16"),
        scheduler,
        normalisation,
        device,
    )
