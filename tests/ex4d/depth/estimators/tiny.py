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


def write_models(folder: Path) -> Path:
    """Every tiny estimator where the catalogue looks for it."""
    write_depth_anything(folder / "Depth-Anything-V2-Small-hf")
    for place in ("Indoor", "Outdoor"):
        write_depth_anything(folder / f"Depth-Anything-V2-Metric-{place}-Small-hf", "metric")
    return folder


if __name__ == "__main__":
    write_models(Path(sys.argv[1]))
