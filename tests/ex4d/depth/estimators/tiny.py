"""Tiny estimators with random weights, as files in the public formats. Run as a module, writes them
all into a folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch

from ex4d.runtime.torchvision_operators import declare_torchvision_operators

PICTURES = {
    "do_resize": True,
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
    return save_depth_anything(DepthAnythingForDepthEstimation(config), folder, 70)


def save_depth_anything(model, folder: Path, side: int) -> Path:
    """As the hub has it, looking at pictures of that side."""
    model.save_pretrained(folder)
    settings = {**PICTURES, "size": {"height": side, "width": side}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def write_depthcrafter(folder: Path, shared: Path) -> tuple[Path, Path]:
    """DepthCrafter's denoiser, and what it takes from Stable Video Diffusion."""
    declare_torchvision_operators()
    import diffusers
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

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
    vae = diffusers.AutoencoderKLTemporalDecoder(
        down_block_types=("DownEncoderBlock2D",) * 4,
        block_out_channels=(32, 32, 32, 32),
        layers_per_block=1,
        latent_channels=4,
        force_upcast=True,
        scaling_factor=0.18215,
    )
    clip = CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=32,
        projection_dim=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=224,
        patch_size=56,
    )
    return save_depthcrafter((unet, vae, CLIPVisionModelWithProjection(clip)), folder, shared)


def save_depthcrafter(models, folder: Path, shared: Path) -> tuple[Path, Path]:
    """Denoiser, VAE and image encoder as the hub has them, with the published schedule."""
    import diffusers
    from transformers import CLIPImageProcessor

    unet, vae, encoder = models
    unet.save_pretrained(folder)
    config = json.loads((folder / "config.json").read_text())
    config["_class_name"] = "DiffusersUNetSpatioTemporalConditionModelDepthCrafter"
    (folder / "config.json").write_text(json.dumps(config))
    vae.half().save_pretrained(shared / "vae", variant="fp16")
    encoder.half().save_pretrained(shared / "image_encoder", variant="fp16")
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


def write_depth_pro(folder: Path) -> Path:
    """A Depth Pro that looks at pictures of 64x64."""
    declare_torchvision_operators()
    from transformers import DepthProConfig, DepthProForDepthEstimation, Dinov2Config

    torch.manual_seed(2)
    transformer = Dinov2Config(
        image_size=16,
        patch_size=4,
        hidden_size=16,
        num_attention_heads=2,
        num_hidden_layers=2,
        mlp_ratio=1,
        use_mask_token=False,
    )
    config = DepthProConfig(
        patch_size=16,
        fusion_hidden_size=16,
        intermediate_hook_ids=(1, 0),
        intermediate_feature_dims=(8, 8),
        scaled_images_feature_dims=(16, 16, 8),
        use_fov_model=True,
        image_model_config=transformer,
        patch_model_config=transformer,
        fov_model_config=transformer,
        initializer_range=0.3,
    )
    model = DepthProForDepthEstimation(config)
    return save_depth_pro(model, folder, 64)


def save_depth_pro(model, folder: Path, side: int) -> Path:
    """As the hub has it, looking at pictures of that side through a usual lens."""
    model.fov_model.head.layers[-1].bias.data += 60  # degrees
    model.save_pretrained(folder)
    settings = {**PICTURES, "size": {"height": side, "width": side}}
    settings |= {"image_mean": 0.5, "image_std": 0.5, "resample": 2}
    settings["image_processor_type"] = "DepthProImageProcessorFast"
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


def moge_settings(
    widths=(32, 16, 8, 8, 8),  # of the pyramid
    width=64,  # of the transformer
    layers=(0, 1, 2, 3),  # of the transformer, that the pyramid begins with
    tokens=(12, 48),
) -> dict:
    """A MoGe-2 as its authors configure it; the default is small."""
    stack = {
        "dim_res_blocks": list(widths),
        "res_block_in_norm": "none",
        "res_block_hidden_norm": "none",
        "resamplers": ["conv_transpose", "conv_transpose", "conv_transpose", "bilinear"],
    }
    neck = {
        **stack,
        "dim_in": [widths[0] + 2, 2, 2, 2, 2],
        "dim_out": None,
        "num_res_blocks": [0, 2, 2, 2, 0],
    }
    head = {**stack, "dim_in": list(widths), "num_res_blocks": [0, 1, 1, 1, 0]}
    return {
        "encoder": {
            "backbone": "dinov2_vits14",
            "intermediate_layers": list(layers),
            "dim_out": widths[0],
        },
        "neck": neck,
        "points_head": {**head, "dim_out": [None, None, None, None, 3]},
        "mask_head": {**head, "dim_out": [None, None, None, None, 1]},
        "scale_head": {"dims": [width, width, 1]},
        "remap_output": "exp",
        "num_tokens_range": list(tokens),
    }


def write_moge(folder: Path) -> Path:
    """A MoGe-2 of 200,000 parameters."""
    from ex4d.depth.estimators.moge.network import MogeNetwork

    torch.manual_seed(3)
    network = MogeNetwork(moge_settings(), 64, 4)
    for parameter in network.parameters():
        parameter.data += 0.03 * torch.randn(parameter.shape)
    return save_moge(network, moge_settings(), folder)


def save_moge(network, settings: dict, folder: Path) -> Path:
    """As published, its points about a slanted wall with some relief, seen by a usual lens."""
    network.encoder.image_mean += torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    network.encoder.image_std += torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    network.mask_head.output_blocks[-1].bias.data += 4  # nearly everything is near
    head = network.points_head
    for parameter in (*network.neck.parameters(), *head.parameters()):
        parameter.data *= 0.3
    for place in (network.neck.input_blocks[-1], head.input_blocks[-1]):
        place.weight.data[:2, :2] += torch.eye(2)[..., None, None]  # where each pixel is
    head.output_blocks[-1].weight.data[:2, :2] += torch.eye(2)[..., None, None] / 1.6
    head.output_blocks[-1].weight.data[2, 0] += 1  # the logarithm of depth grows to the right
    folder.mkdir(parents=True, exist_ok=True)
    state = {**network.state_dict(), "normal_head.unused": torch.zeros(1)}
    torch.save({"model_config": settings, "model": state}, folder / "model.pt")
    return folder


def write_models(folder: Path) -> Path:
    """Every tiny estimator where the catalogue looks for it."""
    write_depth_anything(folder / "Depth-Anything-V2-Small-hf")
    for place in ("Indoor", "Outdoor"):
        write_depth_anything(folder / f"Depth-Anything-V2-Metric-{place}-Small-hf", "metric")
    write_depth_pro(folder / "DepthPro-hf")
    write_moge(folder / "moge-2-vitb-normal")
    write_depthcrafter(folder / "DepthCrafter", folder / "stable-video-diffusion-img2vid-xt")
    return folder


if __name__ == "__main__":
    write_models(Path(sys.argv[1]))
