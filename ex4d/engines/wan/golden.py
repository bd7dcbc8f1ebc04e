"""Compares this engine with tensors that the public code computed.

A golden file is one safetensors file: `dit.*` the weights of a transformer, `ckpt.*` an EX-4D
checkpoint for it, `io.*` inputs and outputs; steps, guidance and shift stand in its metadata. One
with a `recipe` there holds the outputs alone, see `recipe.py`; such a one comes with this library.
All goes through the code that makes clips.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import safe_open

from ex4d.engines.base import GenerateSettings
from ex4d.engines.wan.architecture import Family
from ex4d.engines.wan.checkpoint import split_checkpoint
from ex4d.engines.wan.load import load_geometry, load_transformer
from ex4d.engines.wan.memory import EVERYTHING_STAYS, MemoryPlan
from ex4d.engines.wan.recipe import Recipe
from ex4d.engines.wan.sampling import Prompts, noise_levels, sample
from ex4d.engines.wan.transformer import Conditioning, autocast
from ex4d.engines.wan.weights import open_tensors, shapes_of, with_names
from ex4d.engines.wan.windows import Window
from ex4d.errors import MissingPartError, WeightsError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Literal

    from torch import Tensor

    from ex4d.engines.base import Precision
    from ex4d.engines.wan.transformer import Transformer
    from ex4d.engines.wan.weights import StoredTensor

__all__ = ["GoldenErrors", "bundled_golden", "compare_with_golden"]

_BUNDLED = "golden_wan.safetensors"


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
    bf16 tensors, where it has them, on a GPU. Raises WeightsError for a file that is no golden."""
    place = torch.device(device)
    stored = open_tensors([path])
    metadata = _facts(path, stored)
    given = {n: t.load() for n, t in with_names(stored, _inside("io.")).items()}
    weights, changes = (with_names(stored, _inside(part)) for part in ("dit.", "ckpt."))
    if "recipe" in metadata:
        recipe = Recipe.of(metadata)
        weights, changes = recipe.weights(), recipe.checkpoint()
        given |= recipe.inputs()
    checkpoint = split_checkpoint(changes, shapes_of(weights))
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
    return _errors_of(transformer, given, geometry, settings)


def _errors_of(
    transformer: Transformer, given: dict[str, Tensor], geometry: Tensor, settings: GenerateSettings
) -> GoldenErrors:
    """How far the model's first prediction and its last latents are from a golden file's."""
    kind = "bf16" if geometry.device.type == "cuda" else "fp32"
    first, last = (given.get(f"{n}_{kind}", given[f"{n}_fp32"]) for n in ("first_pred", "latents"))
    prompts, conditioning = _inputs(transformer, given, geometry)
    noise = given["noise"].to(geometry.device)
    levels = noise_levels(settings.num_inference_steps, settings.shift)
    time = transformer.embed_time(1000 * levels[0])
    texts = [text for text in (prompts.positive, prompts.negative) if text is not None]
    pair = transformer.velocities(noise, time, texts, conditioning)
    guided = pair[1] + settings.guidance_scale * (pair[0] - pair[1])
    window = Window(0, noise.shape[2])
    latents = sample(
        transformer, [(window, conditioning)], prompts, noise, settings, lambda *_: None
    )
    return GoldenErrors(
        geometry=_error(geometry, given["ray_latent"]),
        first_prediction=min(_error(pair[0], first), _error(guided, first)),
        latents=_error(latents, last),
        timesteps=float((1000 * levels - given["timesteps"]).abs().max()),
    )


def bundled_golden() -> Path:
    """The golden file that comes with this library: in the repository, or inside the installed
    package. Raises MissingPartError when it is in neither."""
    package = Path(__file__).parents[2]
    for folder in (package.parent / "tests" / "data", package / "_golden"):
        if (folder / _BUNDLED).exists():
            return folder / _BUNDLED
    raise MissingPartError(f"{_BUNDLED} was not installed", advice="give a golden file")


def _facts(path: Path, stored: dict[str, StoredTensor]) -> dict[str, str]:
    """A golden file's metadata."""
    needed = {"dim", "num_heads", "text_len", "lora_alpha", "steps", "cfg_scale", "sigma_shift"}
    metadata: dict[str, str] = {}
    if path.suffix == ".safetensors":
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    if needed - metadata.keys() or "io.latents_fp32" not in stored:
        raise WeightsError(f"{path} is not a golden file")
    return metadata


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
