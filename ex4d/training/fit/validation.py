"""Validation by clips that are held out: their loss, and videos that the adapter makes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ex4d.engines.base import NEGATIVE_PROMPT, PROMPT, GenerateSettings
from ex4d.engines.wan.load import load_vae
from ex4d.engines.wan.sampling import Prompts, sample
from ex4d.engines.wan.vae.autoencoder import VideoAutoencoder
from ex4d.engines.wan.windows import Window
from ex4d.files.outputs import make_folder
from ex4d.training.fit.model import AdapterModel, Sample, read_sample
from ex4d.training.fit.sample_choices import held_out_choice
from ex4d.video.writer import write_video

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

    from ex4d.training.cache.files import Cache, ClipEntry
    from ex4d.training.fit.settings import TrainSettings

__all__ = ["Validation"]


class Validation:
    """What is looked at: the same clips, masks and noise every time, shared by all processes."""

    def __init__(
        self,
        accelerator: Any,
        model: AdapterModel,
        cache: Cache,
        held_out: Sequence[ClipEntry],
        settings: TrainSettings,
    ) -> None:
        self._accelerator = accelerator
        self._model = model
        self._cache = cache
        self._choices = [held_out_choice(settings.seed, entry) for entry in held_out]
        self._settings = settings

    @torch.no_grad()
    def loss(self) -> float:
        """The mean loss of the clips that are held out, each at a noise level of its own."""
        total = torch.zeros((), device=self._accelerator.device)
        for number, counts in self._shared(len(self._choices)):
            loss = self._model(read_sample(self._cache, self._choices[number]))
            total += loss if counts else 0
        return float(self._accelerator.reduce(total, "sum")) / len(self._choices)

    @torch.no_grad()
    def write_videos(self, folder: Path, vae_file: Path) -> None:
        """Make videos of the first clips, with the prompt of `ex4d generate`; side by side the
        conditions, what was made of them, and the truth. Raises WeightsError, OutputError."""
        n_videos = min(self._settings.samples, len(self._choices))
        device = self._accelerator.device
        vae = VideoAutoencoder(load_vae(vae_file, device), device)
        for number, counts in self._shared(n_videos):
            choice = self._choices[number]
            given = read_sample(self._cache, choice)
            latents = self.generate(given)
            if not counts:
                continue
            vae.to(device)
            shown = (given.encoded.color, latents, given.encoded.video)
            panels = [vae.decode(part.to(device), lambda done, total: None) for part in shown]
            vae.to(torch.device("cpu"))
            make_folder(folder)
            path = folder / f"{choice.entry.name}.mp4"
            write_video(path, np.concatenate(panels, axis=2), choice.entry.fps)

    @torch.no_grad()
    def generate(self, given: Sample) -> Tensor:  # float32 [1, C, T', h, w]
        """Make the latents of a clip out of a sample's noise, as `ex4d generate` does."""
        transformer, device = self._model.transformer, self._accelerator.device
        positive, negative = (
            transformer.embed_text(self._cache.text(prompt)) for prompt in (PROMPT, NEGATIVE_PROMPT)
        )
        window = Window(0, given.noise.shape[2])
        return sample(
            transformer,
            [(window, self._model.conditioning(given.encoded))],
            Prompts(positive, negative),
            given.noise.to(device),
            GenerateSettings(num_inference_steps=self._settings.sample_steps),
            lambda done, total, predicted: None,
        )

    def _shared(self, count: int) -> Iterator[tuple[int, bool]]:
        """The numbers below `count` that this process works on. All processes have equally many,
        as gathering split weights needs all of them; what is only for that does not count."""
        n_processes, rank = self._accelerator.num_processes, self._accelerator.process_index
        for start in range(0, count, n_processes):
            yield (start + rank) % count, start + rank < count
