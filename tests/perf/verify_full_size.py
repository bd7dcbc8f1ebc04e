"""Runs `ex4d verify` on random weights of the full size: 46 GB of files, made on the spot.

    PYTHONPATH=. python tests/perf/verify_full_size.py --output_dir outputs/verify

What it generates is noise; what it shows is that every file of the full size loads strictly, which
way a clip goes, how long that takes and how much memory.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from ex4d.cli.main import main
from ex4d.engines.wan.diffsynth import import_diffsynth, without_values
from ex4d.engines.wan.geometry import GeometryEncoder
from ex4d.engines.wan.model import Sizes, WanTransformer
from tests.ex4d.engines.wan import tiny
from tests.ex4d.verification.small import write_example

N_SHARDS, RANK = 7, 16


class Maker:
    """Random tensors, one after the other, made on a device."""

    def __init__(self, device):
        self.device = device
        self.generator = torch.Generator(device).manual_seed(0)

    def tensor(self, name, shape):
        value = torch.empty(shape, dtype=torch.bfloat16, device=self.device)
        if len(shape) > 1:
            return value.normal_(0, 0.02, generator=self.generator).cpu()
        return value.fill_(float("norm" in name and name.endswith("weight"))).cpu()

    def state(self, make, prefix=""):
        with without_values():
            model = make()
        shapes = {f"{prefix}{n}": tuple(t.shape) for n, t in model.state_dict().items()}
        return {name: self.tensor(name, shape) for name, shape in shapes.items()}


def write_full_models(folder, device):
    """In the files and the layout of the authors."""
    maker, wan = Maker(device), folder / "Wan2.1-I2V-14B-480P"
    wan.mkdir(parents=True)
    with without_values():
        shapes = {n: tuple(t.shape) for n, t in WanTransformer(Sizes()).state_dict().items()}
    for shard in range(N_SHARDS):
        names = list(shapes)[shard::N_SHARDS]
        tensors = {name: maker.tensor(name, shapes[name]) for name in names}
        name = f"diffusion_pytorch_model-{shard + 1:05}-of-{N_SHARDS:05}.safetensors"
        save_file(tensors, wan / name)
        print(f"{name} written", flush=True)
    text = import_diffsynth("models.wan_video_text_encoder").WanTextEncoder
    torch.save(maker.state(text), wan / "models_t5_umt5-xxl-enc-bf16.pth")
    vae = import_diffsynth("models.wan_video_vae").VideoVAE_
    torch.save(maker.state(vae), wan / "Wan2.1_VAE.pth")
    vision = import_diffsynth("models.wan_video_image_encoder").VisionTransformer
    vit = {"image_size": 224, "patch_size": 14, "dim": 1280, "out_dim": 1024, "num_heads": 16}
    image = maker.state(lambda: vision(**vit, num_layers=32, activation="gelu"), "visual.")
    torch.save(image, wan / "models_clip_open-clip-xlm-roberta-large-vit-huge-14.pth")
    tiny.write_tokenizer(wan / "google" / "umt5-xxl")
    (folder / "EX-4D").mkdir()
    torch.save(checkpoint(maker, shapes), folder / "EX-4D" / "ex4d.ckpt")


def checkpoint(maker, shapes):
    tensors = maker.state(lambda: GeometryEncoder(16, 1024, Sizes().dim, (1, 2, 2)))
    for block in range(Sizes().num_layers):
        for target in tiny.LORA_TARGETS:
            name = f"blocks.{block}.{target}"
            n_out, n_in = shapes[f"{name}.weight"]
            for side, shape in (("A", (RANK, n_in)), ("B", (n_out, RANK))):
                key = f"{name}.lora_{side}.default.weight"
                tensors[key] = maker.tensor(key, shape)
    return tensors


def run() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--files", type=Path, help="folder for the weights; default: for the time")
    parser.add_argument("--example", type=Path, help="default: a coloured wall with a hole")
    parser.add_argument("--tiny", action="store_true", help="tiny weights, to try this script")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.files) as name:
        folder, started = Path(name), time.monotonic()
        size = {"n_frames": 5, "size": (48, 32)}
        if arguments.tiny:
            tiny.write_models(folder / "models")
        else:
            write_full_models(folder / "models", "cuda" if torch.cuda.is_available() else "cpu")
            size = {"n_frames": 49, "size": (512, 512), "hole": np.s_[:, 100:400, 150:350]}
        example = arguments.example or write_example(folder / "example", **size)
        print(f"files written in {time.monotonic() - started:.0f} s", flush=True)
        started = time.monotonic()
        flags = (f"--models={folder / 'models'}", f"--example={example}")
        code = main(["verify", *flags, f"--output_dir={arguments.output_dir}"])
        print(f"verified in {time.monotonic() - started:.0f} s, exit code {code}")
    return code


if __name__ == "__main__":
    raise SystemExit(run())
