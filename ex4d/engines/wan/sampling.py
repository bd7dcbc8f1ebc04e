"""Denoising: Euler steps from noise to the latents of the finished clip, in float32.

    s = 1 - i / n,  level = shift s / (1 + (shift - 1) s),  timestep = 1000 level     step i of n
    velocity = negative + guidance_scale (positive - negative)
    x = x + (next level - level) velocity

The levels: Scaling Rectified Flow Transformers (arXiv 2403.03206, equation 23). The guidance:
Classifier-Free Diffusion Guidance (arXiv 2207.12598, equation 6; the scale is 1 + w there). In the
public code: `FlowMatchScheduler`, and the loop of `WanVideoPipeline.__call__`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch

from ex4d.engines.wan.cross_keys import CrossKeys
from ex4d.engines.wan.step_cache import StepCache
from ex4d.engines.wan.windows import blend_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from ex4d.engines.base import GenerateSettings
    from ex4d.engines.wan.cross_keys import Text
    from ex4d.engines.wan.transformer import Conditioning, Transformer
    from ex4d.engines.wan.windows import Window

__all__ = ["Prompts", "make_noise", "noise_levels", "sample"]


@dataclass(frozen=True)
class Prompts:
    """The embedded texts of the guidance's branches."""

    positive: Text
    negative: Text | None = None  # where no step is guided

    def of_step(self, step: int, settings: GenerateSettings) -> list[Text]:
        """The branches of a step: both prompts, or the positive one after the last guided step
        (arXiv 2404.07724: guidance matters where the noise is high)."""
        if self.negative is None or step >= settings.guided_steps:
            return [self.positive]
        return [self.positive, self.negative]


def noise_levels(n_steps: int, shift: float) -> Tensor:  # float32 [n_steps], from 1 towards 0
    """How noisy the latents are before each step; the timestep is 1000 times that."""
    levels = torch.linspace(1, 0, n_steps + 1)[:-1]
    return shift * levels / (1 + (shift - 1) * levels)


def make_noise(shape: tuple[int, ...], seed: int) -> Tensor:
    """Noise in float32, the same on every machine: it comes from the CPU."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float32)


class _Clip:
    """The latents of a clip, and the first latents that its later windows keep to themselves."""

    def __init__(self, latents: Tensor, windows: Sequence[Window]) -> None:
        self._windows = windows
        self._weights = [weight.to(latents.device) for weight in blend_weights(windows)]
        self.latents = latents
        self._own = [latents[:, :, window.start : window.start + 1] for window in windows]

    def of(self, number: int) -> Tensor:
        """The latents of a window."""
        window = self._windows[number]
        latents = self.latents[:, :, window.latents]
        return latents if number == 0 else torch.cat([self._own[number], latents[:, :, 1:]], dim=2)

    def blend(self, velocities: Sequence[Tensor]) -> Tensor:
        """The velocity of the clip out of those of its windows."""
        total = torch.zeros_like(self.latents)
        for window, weight, velocity in zip(self._windows, self._weights, velocities, strict=True):
            total[:, :, window.latents] += weight.view(1, 1, -1, 1, 1) * velocity
        return total

    def step(self, total: Tensor, velocities: Sequence[Tensor], change: float) -> None:
        """Go one Euler step."""
        self.latents = self.latents + change * total
        self._own = [
            own + change * v[:, :, :1] for own, v in zip(self._own, velocities, strict=True)
        ]


@torch.no_grad()
def sample(
    transformer: Transformer,
    windows: Sequence[tuple[Window, Conditioning]],
    prompts: Prompts,
    noise: Tensor,  # float32 [1, C, T', h, w], on the transformer's device
    settings: GenerateSettings,
    report: Callable[[int, int, Tensor | None], None],
) -> Tensor:  # float32 [1, C, T', h, w]
    """Denoise a clip. `report` gets the evaluations done, those in all, and after each step the
    clip's latents as they would be if this step's prediction were right; it may raise."""
    levels = noise_levels(settings.num_inference_steps, settings.shift)
    clip = _Clip(noise, [window for window, _ in windows])
    n_total, n_done = len(levels) * len(windows), 0
    kept = CrossKeys()
    caches = [StepCache(settings.step_cache, len(levels)) for _ in windows]
    report(0, n_total, None)
    times = transformer.embed_times(1000 * levels)
    for step, (level, time) in enumerate(zip(levels, times, strict=True)):
        texts = prompts.of_step(step, settings)
        velocities = []
        for number, (_, conditioning) in enumerate(windows):
            latents = clip.of(number)
            evaluate = partial(transformer.velocities, latents, time, texts, conditioning, kept)
            branches = caches[number].velocities(latents, len(texts), evaluate)
            velocities.append(_guided(branches, settings.guidance_scale))
            n_done += 1
            if number + 1 < len(windows):
                report(n_done, n_total, None)
        total = velocities[0] if len(windows) == 1 else clip.blend(velocities)
        predicted = clip.latents - float(level) * total
        following = float(levels[step + 1]) if step + 1 < len(levels) else 0.0
        clip.step(total, velocities, following - float(level))
        report(n_done, n_total, predicted)
    return clip.latents


def _guided(branches: Sequence[Tensor], scale: float) -> Tensor:
    """The velocity under classifier-free guidance (arXiv 2207.12598, equation 6)."""
    if len(branches) == 1:
        return branches[0]
    positive, negative = branches
    return negative + scale * (positive - negative)
