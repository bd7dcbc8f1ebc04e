"""Depth estimators of the published sizes with random weights, as files in the public formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ex4d.depth.estimators.catalogue import ESTIMATORS
from ex4d.depth.estimators.moge.network import MogeNetwork
from ex4d.runtime.torchvision_operators import declare_torchvision_operators
from tests.ex4d.depth.estimators import tiny

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["write_full_size"]


def write_full_size(name: str, models: Path, device: torch.device) -> None:
    """Write an estimator of the catalogue where it is looked for, in the folder of all models. Its
    weights are drawn on the device, and stored in the published format."""
    declare_torchvision_operators()
    folders = [models / part.folder for part in ESTIMATORS[name].parts]
    writers = {
        "moge": _write_moge,
        "depth-anything": _write_depth_anything,
        "depth-pro": _write_depth_pro,
        "depthcrafter": _write_depthcrafter,
    }
    torch.manual_seed(0)
    writers[name](device, *folders)


def _write_moge(device, folder):
    """moge-2-vitb-normal without its normals, as configs/train/v2.json of the public code has
    MoGe-2, with the sizes of DINOv2's ViT-B: 104 million parameters."""
    layers, width = (2, 5, 8, 11), 768
    settings = tiny.moge_settings((width, 256, 128, 64, 32), width, layers, (1200, 3600))
    settings["scale_head"]["dims"] = [width, width, width, 1]
    with device:
        network = MogeNetwork(settings, width, 12)
    tiny.save_moge(network.cpu(), settings, folder)


def _write_depth_anything(device, folder):
    """Depth-Anything-V2-Small-hf: 25 million parameters."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    backbone = Dinov2Config(
        image_size=518,
        patch_size=14,
        hidden_size=384,
        num_attention_heads=6,
        num_hidden_layers=12,
        out_indices=[3, 6, 9, 12],
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=384,
        neck_hidden_sizes=[48, 96, 192, 384],
        fusion_hidden_size=64,
        head_hidden_size=32,
    )
    with device:
        model = DepthAnythingForDepthEstimation(config)
    tiny.save_depth_anything(model, folder, 518)


def _write_depth_pro(device, folder):
    """DepthPro-hf: 952 million parameters, in fp16."""
    from transformers import DepthProConfig, DepthProForDepthEstimation, Dinov2Config

    transformer = Dinov2Config(
        image_size=384,
        patch_size=16,
        hidden_size=1024,
        num_attention_heads=16,
        num_hidden_layers=24,
        use_mask_token=False,
    )
    config = DepthProConfig(
        use_fov_model=True,
        image_model_config=transformer,
        patch_model_config=transformer,
        fov_model_config=transformer,
    )
    with device:
        model = DepthProForDepthEstimation(config)
    tiny.save_depth_pro(model.half(), folder, 1536)


def _write_depthcrafter(device, folder, shared):
    """DepthCrafter's denoiser of 1.5 billion parameters, and Stable Video Diffusion's VAE (98
    million) and image encoder (632 million), in fp16. The denoiser's sizes are the library's own
    defaults."""
    import diffusers
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    clip = CLIPVisionConfig(
        hidden_size=1280,
        intermediate_size=5120,
        projection_dim=1024,
        num_hidden_layers=32,
        num_attention_heads=16,
        image_size=224,
        patch_size=14,
        hidden_act="gelu",
    )
    with device:
        unet = diffusers.UNetSpatioTemporalConditionModel(sample_size=96).half()
        vae = diffusers.AutoencoderKLTemporalDecoder(
            down_block_types=("DownEncoderBlock2D",) * 4,
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            sample_size=768,
        )
        encoder = CLIPVisionModelWithProjection(clip)
    tiny.save_depthcrafter((unet, vae, encoder), folder, shared)
