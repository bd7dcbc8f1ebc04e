"""Compares this engine with tensors that the public code computed.

A golden file is one safetensors file: `dit.*` the weights of a transformer, `ckpt.*` an EX-4D
checkpoint for it, `io.*` inputs and outputs; steps, guidance and shift stand in its metadata. All
goes through the code that makes clips.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open

from ex4d.engines.base import GenerateSettings
from ex4d.engines.wan.architecture import Family
from ex4d.engines.wan.checkpoint import split_checkpoint
from ex4d.engines.wan.load import load_geometry, load_transformer
from ex4d.engines.wan.memory import EVERYTHING_STAYS, MemoryPlan
from ex4d.engines.wan.sampling import Prompts, noise_levels, sample
from ex4d.engines.wan.transformer import Conditioning, autocast
from ex4d.engines.wan.weights import open_tensors, shapes_of, with_names
from ex4d.engines.wan.windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Literal

    from torch import Tensor

    from ex4d.engines.base import Precision
    from ex4d.engines.wan.transformer import Transformer

__all__ = ["GoldenErrors", "compare_with_golden"]


@dataclass(frozen=True)
class GoldenErrors:
    """Norm of the difference, divided by the norm of the public code's tensor."""

    geometry: float  # the geometry latent
    first_prediction: float  # under the positive prompt or guided, whichever the file holds
    latents: float  # after all steps
    timesteps: float  # largest difference


def compare_with_golden(
    path: Path,
    device: str = "cpu",
    *,
    lora: Literal["fused", "unfused"] = "fused",
    plan: MemoryPlan = EVERYTHING_STAYS,
    precision: Precision = "bf16",
) -> GoldenErrors:
    """Run a golden file's model on a device: against its fp32 tensors on the CPU, and against its
    bf16 tensors on a GPU."""
    place = torch.device(device)
    kind = "bf16" if place.type == "cuda" else "fp32"
    stored = open_tensors([path])
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    given = {n: t.load() for n, t in with_names(stored, _inside("io.")).items()}
    weights = with_names(stored, _inside("dit."))
    checkpoint = split_checkpoint(with_names(stored, _inside("ckpt.")), shapes_of(weights))
    family = Family(
        head_width=int(metadata["dim"]) // int(metadata["num_heads"]),
        text_tokens=int(metadata["text_len"]),
        lora_alpha=float(metadata["lora_alpha"]),
    )
    transformer = load_transformer(
        weights,
        checkpoint.lora,
        device=place,
        plan=plan,
        lora_mode=lora,
        family=family,
        precision=precision,
    )
    geometry_encoder = load_geometry(checkpoint.encoder, place)
    with torch.no_grad(), autocast(place):
        dtype = next(geometry_encoder.parameters()).dtype
        video, mask = (given[n].to(place, dtype) for n in ("video_latent", "mask_latent"))
        geometry = geometry_encoder(video, mask)
    settings = GenerateSettings(
        num_inference_steps=int(metadata["steps"]),
        guidance_scale=float(metadata["cfg_scale"]),
        shift=float(metadata["sigma_shift"]),
    )
    prompts, conditioning = _inputs(transformer, given, geometry)
    noise = given["noise"].to(place)
    levels = noise_levels(settings.num_inference_steps, settings.shift)
    time = transformer.embed_time(1000 * levels[0])
    texts = [prompts.positive, prompts.negative]
    pair = transformer.velocities(noise, time, texts, conditioning)
    guided = pair[1] + settings.guidance_scale * (pair[0] - pair[1])
    first = given[f"first_pred_{kind}"]
    window = Window(0, noise.shape[2])
    latents = sample(
        transformer, [(window, conditioning)], prompts, noise, settings, lambda *_: None
    )
    return GoldenErrors(
        geometry=_error(geometry, given["ray_latent"]),
        first_prediction=min(_error(pair[0], first), _error(guided, first)),
        latents=_error(latents, given[f"latents_{kind}"]),
        timesteps=float((1000 * levels - given["timesteps"]).abs().max()),
    )


def _inputs(
    transformer: Transformer, given: dict[str, Tensor], geometry: Tensor
) -> tuple[Prompts, Conditioning]:
    positive, negative = (
        transformer.embed_text(given[name][0]) for name in ("context_pos", "context_neg")
    )
    image = transformer.embed_image(given["clip_fea"])
    first_frame = given["y"].to(geometry.device)
    return Prompts(positive, negative), Conditioning(first_frame, geometry, image)


def _inside(prefix: str) -> Callable[[str], str | None]:
    return lambda name: name.removeprefix(prefix) if name.startswith(prefix) else None


def _error(ours: Tensor, golden: Tensor) -> float:
    golden = golden.float()
    return float((ours.float().cpu() - golden).norm() / golden.norm())
