"""From a sample to its loss: the adapter over the frozen transformer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from ex4d.engines.wan.encoding import first_frame_conditioning
from ex4d.engines.wan.sampling import make_noise
from ex4d.engines.wan.transformer import Conditioning, Transformer, autocast
from ex4d.training.fit.schedule import flow_matching_loss, training_schedule

if TYPE_CHECKING:
    from torch import Tensor

    from ex4d.training.cache.files import Cache, Encoded
    from ex4d.training.fit.adapter import Adapter
    from ex4d.training.fit.sample_choices import SampleChoice

__all__ = ["AdapterModel", "Sample", "read_sample"]


@dataclass(frozen=True)
class Sample:
    """What a loss is computed from, on the CPU."""

    encoded: Encoded
    text: Tensor  # [L, text_dim]
    level: int  # of the noise
    noise: Tensor  # float32, as the video


def read_sample(cache: Cache, choice: SampleChoice) -> Sample:
    """Read what was drawn, and make its noise. Raises InputError."""
    encoded = cache.encoded(choice.entry, choice.mask, flipped=choice.flipped)
    noise = make_noise(tuple(encoded.video.shape), choice.noise_seed)
    return Sample(encoded, cache.text(choice.prompt), choice.level, noise)


class AdapterModel(nn.Module):
    """The adapter; the frozen transformer beside it is no part of the module, so that it is neither
    moved, nor wrapped, nor synchronised between GPUs."""

    def __init__(self, adapter: Adapter, transformer: Transformer, device: torch.device) -> None:
        super().__init__()
        self.adapter = adapter
        self.transformer = transformer
        self._device = device
        self._schedule = training_schedule()

    def forward(self, sample: Sample) -> Tensor:
        """The sample's loss, one number."""
        level, weight = (
            values[sample.level].to(self._device)
            for values in (self._schedule.levels, self._schedule.weights)
        )
        video, noise = sample.encoded.video.to(self._device), sample.noise.to(self._device)
        velocities = self.transformer.velocities(
            (1 - level) * video + level * noise,
            self.transformer.embed_time(1000 * self._schedule.levels[sample.level]),
            [self.transformer.embed_text(sample.text)],
            self.conditioning(sample.encoded),
        )
        return flow_matching_loss(velocities[0], video, noise, weight)

    def conditioning(self, encoded: Encoded) -> Conditioning:
        """What the transformer gets besides noise; gradients reach the geometry encoder."""
        with autocast(self._device):
            color, mask = encoded.color.to(self._device), encoded.mask.to(self._device)
            geometry = self.adapter.encoder(color, mask)
        return Conditioning(
            first_frame_conditioning(encoded.first),
            geometry,
            self.transformer.embed_image(encoded.features),
        )
