"""Makes golden_depthcrafter.npz: what the public DepthCrafter code computes with the tests' tiny
weights. Run with its checkout on the path:

    PYTHONPATH=.:CHECKOUT python tests/data/make_golden_depthcrafter.py
"""

import tempfile
from pathlib import Path

import numpy as np
import torch

from ex4d.runtime.torchvision_operators import declare_torchvision_operators

declare_torchvision_operators()

from depthcrafter.depth_crafter_ppl import DepthCrafterPipeline  # noqa: E402
from depthcrafter.unet import DiffusersUNetSpatioTemporalConditionModelDepthCrafter  # noqa: E402
from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler  # noqa: E402
from transformers import CLIPImageProcessor, CLIPVisionModelWithProjection  # noqa: E402

from tests.ex4d.depth.estimators import tiny  # noqa: E402
from tests.ex4d.depth.estimators.conftest import frames  # noqa: E402

CASES = {"short": (5, (128, 64), 110, 25), "windows": (9, (64, 64), 4, 2)}


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    tiny.write_depthcrafter(folder / "unet", folder)
    pipeline = DepthCrafterPipeline(
        vae=AutoencoderKLTemporalDecoder.from_pretrained(folder / "vae", variant="fp16"),
        image_encoder=CLIPVisionModelWithProjection.from_pretrained(
            folder / "image_encoder", variant="fp16", dtype="float32"
        ),
        unet=DiffusersUNetSpatioTemporalConditionModelDepthCrafter.from_pretrained(folder / "unet"),
        scheduler=EulerDiscreteScheduler.from_pretrained(folder / "scheduler"),
        feature_extractor=CLIPImageProcessor.from_pretrained(folder / "feature_extractor"),
    )
    arrays = {}
    for name, (n_frames, size, window, overlap) in CASES.items():
        pictures = torch.from_numpy(frames(n_frames, size).transpose(0, 3, 1, 2)).float() / 255
        decoded = pipeline(
            pictures,
            height=size[1],
            width=size[0],
            num_inference_steps=5,
            window_size=window,
            overlap=overlap,
            output_type="np",
            generator=torch.Generator().manual_seed(42),
        ).frames[0]
        disparity = decoded.sum(-1) / 3
        disparity = (disparity - disparity.min()) / (disparity.max() - disparity.min())
        arrays[name] = np.round(65535 * disparity).astype(np.uint16)
    np.savez_compressed(Path(__file__).with_name("golden_depthcrafter.npz"), **arrays)


if __name__ == "__main__":
    main()
