"""EX-4D on Wan as plainly as diffsynth allows, written as a golden file.

The encoder is a hook on the patch embedding, and the low-rank changes are added to the weights
before anything runs; then Euler steps with guidance through diffsynth's own model function.
Against the public code's tensors this way was measured at 1.3e-5.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from safetensors.torch import save_file

from ex4d.engines.wan.diffsynth import import_diffsynth
from ex4d.engines.wan.geometry import GeometryEncoder

if TYPE_CHECKING:
    from pathlib import Path

DIM, HEADS, LAYERS, RANK, TEXT_DIM, TEXT_LEN, ALPHA = 192, 2, 3, 8, 96, 64, 16
STEPS, GUIDANCE, SHIFT = 7, 4.0, 3.0
GRID = (5, 6, 10)  # latents: frames, rows, columns


def write_golden(path: Path) -> Path:
    """Write a golden file whose every size differs from those of the public code's."""
    torch.manual_seed(0)
    model = import_diffsynth("models.wan_video_dit").WanModel(
        dim=DIM, in_dim=36, ffn_dim=320, out_dim=16, text_dim=TEXT_DIM, freq_dim=64, eps=1e-6,
        patch_size=(1, 2, 2), num_heads=HEADS, num_layers=LAYERS, has_image_input=True,
    ).eval()  # fmt: skip
    weights = {name: tensor.half() for name, tensor in model.state_dict().items()}
    model.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    encoder = GeometryEncoder(16, 40, DIM, (1, 2, 2))
    torch.nn.init.normal_(encoder.latent_patch_embedding.weight, std=0.05)
    checkpoint = {**encoder.state_dict(), **change_weights(model)}
    tensors = {f"dit.{name}": tensor for name, tensor in weights.items()}
    tensors |= {f"ckpt.{name}": tensor for name, tensor in checkpoint.items()}
    given = random_inputs()
    made = run(model, encoder, given, Sampling(STEPS, GUIDANCE, SHIFT, TEXT_LEN))
    tensors |= {f"io.{name}": tensor for name, tensor in (given | made).items()}
    facts = {"dim": DIM, "num_heads": HEADS, "text_len": TEXT_LEN, "lora_alpha": ALPHA,
             "steps": STEPS, "cfg_scale": GUIDANCE, "sigma_shift": SHIFT}  # fmt: skip
    metadata = {name: str(value) for name, value in facts.items()}
    save_file({name: t.contiguous() for name, t in tensors.items()}, path, metadata)
    return path


def change_weights(model) -> dict[str, torch.Tensor]:
    """Add a low-rank change to every layer that EX-4D trained, and return the changes."""
    attention = [f"{kind}_attn.{name}" for kind in ("self", "cross") for name in "qkvo"]
    tensors = {}
    for block, part in itertools.product(range(LAYERS), [*attention, "ffn.0", "ffn.2"]):
        name = f"blocks.{block}.{part}"
        layer = model.get_submodule(name)
        down = torch.randn(RANK, layer.in_features) / layer.in_features**0.5
        up = torch.randn(layer.out_features, RANK) * 0.05
        layer.weight.data += ALPHA / RANK * up @ down
        tensors[f"{name}.lora_A.default.weight"] = down
        tensors[f"{name}.lora_B.default.weight"] = up
    return tensors


def random_inputs() -> dict[str, torch.Tensor]:
    given = {name: torch.randn(1, 16, *GRID) for name in ("noise", "video_latent", "mask_latent")}
    given |= {"y": torch.randn(1, 20, *GRID), "clip_fea": torch.randn(1, 257, 1280)}
    given |= {"context_pos": torch.randn(1, 13, TEXT_DIM)}
    return given | {"context_neg": torch.randn(1, 21, TEXT_DIM)}


@dataclass(frozen=True)
class Sampling:
    """How the steps go."""

    steps: int
    guidance: float
    shift: float
    text_len: int  # tokens; prompts are padded to it


@torch.no_grad()
def run(model, encoder, given, sampling) -> dict[str, torch.Tensor]:
    """What comes out for these inputs."""
    geometry = encoder(given["video_latent"], given["mask_latent"])
    model.patch_embedding.register_forward_hook(lambda layer, inputs, output: output + geometry)
    predict = import_diffsynth("pipelines.wan_video").model_fn_wan_video
    scheduler = import_diffsynth("diffusion.flow_match").FlowMatchScheduler("Wan")
    scheduler.set_timesteps(sampling.steps, shift=sampling.shift)
    latents, first = given["noise"], None
    for timestep in scheduler.timesteps:
        positive, negative = (
            predict(
                dit=model, latents=latents, timestep=timestep[None],
                context=padded(given[name], sampling.text_len), clip_feature=given["clip_fea"],
                y=given["y"],
            )
            for name in ("context_pos", "context_neg")
        )  # fmt: skip
        first = positive if first is None else first
        velocity = negative + sampling.guidance * (positive - negative)
        latents = scheduler.step(velocity, timestep, latents)
    made = {"ray_latent": geometry, "first_pred_fp32": first, "latents_fp32": latents}
    return {**made, "timesteps": scheduler.timesteps, "sigmas": scheduler.sigmas}


def padded(context: torch.Tensor, length: int) -> torch.Tensor:
    return torch.nn.functional.pad(context, (0, 0, 0, length - context.shape[1]))
