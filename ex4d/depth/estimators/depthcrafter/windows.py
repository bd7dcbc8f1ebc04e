"""Clips of any length denoised in windows that overlap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ex4d.depth.estimators.depthcrafter.unet import denoise_once

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

__all__ = ["ClipLatents", "Windows", "denoise_clip"]


@dataclass(frozen=True)
class Windows:
    """How a clip is denoised. The defaults are what the public EX-4D code asks of DepthCrafter."""

    steps: int = 5
    length: int = 110  # frames
    overlap: int = 25  # frames that two windows share


@dataclass(frozen=True, eq=False)
class ClipLatents:
    """What the denoiser is conditioned on."""

    pictures: Tensor  # [1, N, C, h, w]: the clip with a little noise, in the VAE's space
    embeddings: Tensor  # [1, N, D]: of each picture
    time_ids: Tensor  # [1, 3]


@torch.inference_mode()
def denoise_clip(
    unet: Any,
    scheduler: Any,  # diffusers' EulerDiscreteScheduler
    clip: ClipLatents,
    windows: Windows,
    noise: Tensor,  # [1, min(N, length), C, h, w], of deviation 1
    report: Callable[[int, int], None],
) -> Tensor:  # [1, N, C, h, w]
    """Make the latents of a clip's disparity. `report` is told steps done and steps in all.

    A window begins with the end of the one before, brought back to the noise of the first step,
    and is faded over it. Without guidance: a scale of 1.
    """
    n_frames = clip.pictures.shape[1]
    length = min(windows.length, n_frames)
    overlap = 0 if n_frames <= windows.length else windows.overlap
    starts = range(0, n_frames - overlap, length - overlap)
    n_steps = windows.steps * len(starts)
    finished: Tensor | None = None
    scheduler.set_timesteps(windows.steps, device=noise.device)
    noise = noise * scheduler.init_noise_sigma
    for number, start in enumerate(starts):
        some = slice(start, min(start + length, n_frames))
        latents = noise[:, : some.stop - start].clone()
        noise = torch.cat([noise[:, length - overlap :], noise[:, : length - overlap]], dim=1)
        scheduler.set_timesteps(windows.steps, device=noise.device)
        if finished is not None:
            rest = latents[:, :overlap] / scheduler.init_noise_sigma * scheduler.sigmas[0]
            latents[:, :overlap] = finished[:, -overlap:] + rest
        for step, timestep in enumerate(scheduler.timesteps):
            scaled = scheduler.scale_model_input(latents, timestep)
            given = torch.cat([scaled, clip.pictures[:, some]], dim=2)
            predicted = denoise_once(unet, given, timestep, clip.embeddings[:, some], clip.time_ids)
            latents = scheduler.step(predicted, timestep, latents).prev_sample
            report(number * windows.steps + step + 1, n_steps)
        finished = latents if finished is None else _joined(finished, latents, overlap)
    if finished is None:
        raise AssertionError
    return finished


def _joined(before: Tensor, after: Tensor, overlap: int) -> Tensor:
    """Fade from one window into the next."""
    share = torch.linspace(0, 1, overlap, device=after.device).view(1, overlap, 1, 1, 1)
    faded = after[:, :overlap] * share + before[:, -overlap:] * (1 - share)
    return torch.cat([before[:, :-overlap], faded.to(before.dtype), after[:, overlap:]], dim=1)
