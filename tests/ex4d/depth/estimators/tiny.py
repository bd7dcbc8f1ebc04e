"""Tiny estimators with random weights, as files in the public formats. Run as a module, writes them
all into a folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from ex4d.torchvision_operators import declare_torchvision_operators

PICTURES = {
    "do_resize": True,
    "size": {"height": 70, "width": 70},
    "ensure_multiple_of": 14,
    "keep_aspect_ratio": True,
    "resample": 3,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "image_mean": [0.485, 0.456, 0.406],
    "image_std": [0.229, 0.224, 0.225],
    "do_pad": False,
    "image_processor_type": "DPTImageProcessor",
}


def write_depth_anything(folder: Path, kind: str = "relative") -> Path:
    """A Depth Anything V2 of 60,000 parameters."""
    declare_torchvision_operators()
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    torch.manual_seed(0)
    backbone = Dinov2Config(
        image_size=70,
        patch_size=14,
        hidden_size=24,
        num_attention_heads=2,
        num_hidden_layers=4,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=False,
        apply_layernorm=True,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=24,
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=8,
        head_hidden_size=4,
        depth_estimation_type=kind,
        max_depth=20 if kind == "metric" else None,
        initializer_range=0.3,
    )
    DepthAnythingForDepthEstimation(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PICTURES))
    return folder


def write_depthcrafter(folder: Path, shared: Path) -> tuple[Path, Path]:
    """DepthCrafter's denoiser, and what it takes from Stable Video Diffusion."""
    declare_torchvision_operators()
    import diffusers
    from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(1)
    down, up = "DownBlockSpatioTemporal", "UpBlockSpatioTemporal"
    unet = diffusers.UNetSpatioTemporalConditionModel(
        down_block_types=(f"CrossAttn{down}", down),
        up_block_types=(up, f"CrossAttn{up}"),
        block_out_channels=(32, 64),
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=24,
        layers_per_block=1,
        cross_attention_dim=16,
        num_attention_heads=(2, 4),
        num_frames=25,
    )
    for parameter in unet.parameters():  # so that time, pictures and the mixing of both count
        parameter.data += 0.02 * torch.randn(parameter.shape)
    unet.save_pretrained(folder)
    vae = diffusers.AutoencoderKLTemporalDecoder(
        down_block_types=("DownEncoderBlock2D",) * 4,
        block_out_channels=(32, 32, 32, 32),
        layers_per_block=1,
        latent_channels=4,
        force_upcast=True,
        scaling_factor=0.18215,
    )
    vae.half().save_pretrained(shared / "vae", variant="fp16")
    clip = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=32,
        projection_dim=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=224,
        patch_size=56,
    )
    encoder = CLIPVisionModelWithProjection(clip).half()
    encoder.save_pretrained(shared / "image_encoder", variant="fp16")
    scheduler = diffusers.EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        interpolation_type="linear",
        use_karras_sigmas=True,
        sigma_min=0.002,
        sigma_max=700.0,
        timestep_spacing="leading",
        timestep_type="continuous",
        steps_offset=1,
    )
    scheduler.save_pretrained(shared / "scheduler")
    CLIPImageProcessor().save_pretrained(shared / "feature_extractor")
    return folder, shared


def write_models(folder: Path) -> Path:
    """Every tiny estimator where the catalogue looks for it."""
    write_depth_anything(folder / "Depth-Anything-V2-Small-hf")
    for place in ("Indoor", "Outdoor"):
        write_depth_anything(folder / f"Depth-Anything-V2-Metric-{place}-Small-hf", "metric")
    write_depthcrafter(folder / "DepthCrafter", folder / "stable-video-diffusion-img2vid-xt")
    return folder


if __name__ == "__main__":
    write_models(Path(sys.argv[1]))
