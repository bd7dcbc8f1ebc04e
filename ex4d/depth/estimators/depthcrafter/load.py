"""DepthCrafter's models from their files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ex4d.depth.estimators.depthcrafter.estimator import DepthCrafter
from ex4d.depth.estimators.hub_model import check_loaded, loading_errors, read_settings
from ex4d.errors import WeightsError
from ex4d.torchvision_operators import declare_torchvision_operators

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load"]


def load(folders: list[Path], device: torch.device) -> DepthCrafter:
    """Load the denoiser from the first folder, and what it shares with Stable Video Diffusion from
    the second; in fp16 on a GPU, fp32 on the CPU. Raises WeightsError."""
    declare_torchvision_operators()
    import diffusers
    from transformers import CLIPVisionModelWithProjection

    unet_folder, shared = folders
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    path = shared / "feature_extractor" / "preprocessor_config.json"
    settings = read_settings(path)
    with loading_errors(shared / "scheduler"):
        scheduler = diffusers.EulerDiscreteScheduler.from_pretrained(
            shared / "scheduler", local_files_only=True
        )
    try:
        mean, deviation = (tuple(map(float, settings[f"image_{n}"])) for n in ("mean", "std"))
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} is not that of an image encoder ({error!r})") from None
    return DepthCrafter(
        _model(diffusers.UNetSpatioTemporalConditionModel, unet_folder, dtype, device),
        _model(diffusers.AutoencoderKLTemporalDecoder, shared / "vae", dtype, device, "fp16"),
        _model(CLIPVisionModelWithProjection, shared / "image_encoder", dtype, device, "fp16"),
        scheduler,
        mean,
        deviation,
        device,
    )


def _model(
    model_class: Any,
    folder: Path,
    dtype: torch.dtype,
    device: torch.device,
    variant: str | None = None,
) -> Any:
    """Load one model strictly."""
    read_settings(folder / "config.json")
    with loading_errors(folder):
        model, found = model_class.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            torch_dtype=dtype,
            variant=variant,
        )
    check_loaded(found, folder)
    return model.to(device).eval().requires_grad_(False)
