"""One clip on its way through the models: text, encode, denoise, decode."""

from __future__ import annotations

import gc
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from ex4d.engines.wan.encoding import (
    color_values,
    first_frame_conditioning,
    first_frame_values,
    mask_values,
)
from ex4d.engines.wan.image import encode_image
from ex4d.engines.wan.latent_preview import LatentColors
from ex4d.engines.wan.memory import what_would_fit
from ex4d.engines.wan.sampling import Prompts, make_noise, sample
from ex4d.engines.wan.transformer import Conditioning, autocast, compute_dtype
from ex4d.engines.wan.windows import FRAMES_PER_LATENT, Window, n_latents_of, plan_windows
from ex4d.errors import TooLargeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    import numpy as np
    from torch import Tensor

    from ex4d.engines.base import GenerateSettings, Watcher
    from ex4d.engines.wan.conditioning import ModelInput
    from ex4d.engines.wan.load import Models

__all__ = ["Run", "memory_errors"]


class Run:
    """One clip on its way through the models."""

    def __init__(
        self, models: Models, given: ModelInput, settings: GenerateSettings, watcher: Watcher
    ) -> None:
        self._models = models
        self._given = given
        self._settings = settings
        self._watcher = watcher
        height, width = given.mask.shape[1:]
        self._size = (width, height)
        self._windows = plan_windows(n_latents_of(len(given.mask)))
        self._colors: LatentColors | None = None

    def frames(self, seed: int) -> np.ndarray:
        """Make all frames, with the repeated ones and the repeated edges."""
        with memory_errors(self._given, "load"):
            overlay = self._steps_overlay()
        with overlay:
            return self._frames(seed)

    def _steps_overlay(self) -> AbstractContextManager[None]:
        """The step-distilled LoRA where it is asked for. Raises WeightsError."""
        make = self._models.steps_overlay
        if not self._settings.steps_lora or make is None:
            return nullcontext()
        return self._models.transformer.under(make())

    def _frames(self, seed: int) -> np.ndarray:
        with memory_errors(self._given, "text"):
            prompts = self._prompts()
        with memory_errors(self._given, "encode"), self._awake(self._models.vae):
            windows = [
                (window, self._conditioning(number, window))
                for number, window in enumerate(self._windows)
            ]
        with memory_errors(self._given, "warm_up"):
            self._models.transformer.warm_up(partial(self._watcher.progress, "warm_up"))
        with memory_errors(self._given, "denoise"):
            latents = self._denoised(windows, prompts, seed)
        with memory_errors(self._given, "decode"), self._awake(self._models.vae):
            frames: np.ndarray = self._models.vae.decode(
                latents, lambda done, total: self._watcher.progress("decode", done, total)
            )
        return frames

    def _prompts(self) -> Prompts:
        self._watcher.progress("text", 0, 1)
        texts: tuple[str, ...] = (self._settings.prompt,)
        if self._settings.guided_steps:
            texts += (self._settings.negative_prompt,)
        embed = self._models.transformer.embed_text
        return Prompts(*(embed(text) for text in self._models.encode_prompts(texts)))

    def _conditioning(self, number: int, window: Window) -> Conditioning:
        given, models = self._given, self._models

        def report(done: int, total: int) -> None:
            self._watcher.progress("encode", number * total + done, len(self._windows) * total)

        picture = given.first_frame(window.frames.start)
        first_frame = first_frame_values(picture, window.frames.start)
        videos = color_values(given.color), mask_values(given.mask), first_frame
        encoded = models.vae.encode(videos, window.frames, self._size, report)
        color, mask, first = encoded.split(1)
        with torch.no_grad(), autocast(models.device):
            dtype = compute_dtype(models.device)
            geometry = models.geometry(color.to(dtype), mask.to(dtype))
        if self._colors is None:
            last = slice(window.frames.start, window.frames.stop, FRAMES_PER_LATENT)
            self._colors = LatentColors(color, given.color[last])
        with self._awake(models.image_encoder):
            features = encode_image(models.image_encoder, picture, models.device)
        image = models.transformer.embed_image(features)
        return Conditioning(first_frame_conditioning(first), geometry, image)

    def _denoised(
        self, windows: list[tuple[Window, Conditioning]], prompts: Prompts, seed: int
    ) -> Tensor:
        models, colors = self._models, self._colors

        def report(done: int, total: int, predicted: Tensor | None) -> None:
            self._watcher.progress("denoise", done, total)
            if predicted is not None and colors is not None:
                self._watcher.preview(lambda: colors.draw(predicted))

        width, height = (side // 8 for side in self._size)
        n_latents = n_latents_of(len(self._given.mask))
        shape = (1, models.transformer.latent_channels, n_latents, height, width)
        noise = make_noise(shape, seed).to(models.device)
        return sample(models.transformer, windows, prompts, noise, self._settings, report)

    @contextmanager
    def _awake(self, model: Any) -> Iterator[None]:
        """A model on the device while it is needed; where memory is short, only then."""
        if self._models.plan.keeps_encoders:
            yield
            return
        model.to(self._models.device)
        try:
            yield
        finally:
            model.to(torch.device("cpu"))


@contextmanager
def memory_errors(given: ModelInput, stage: str) -> Iterator[None]:
    """Raise TooLargeError, which says what would fit, for torch's own; let go of what was half
    made."""
    n_bytes = torch.cuda.memory_allocated() if torch.cuda.is_available() else 0
    try:
        yield
    except torch.OutOfMemoryError as error:
        reason = str(error).partition(". ")[0]
    else:
        return
    gc.collect()
    available = 0
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        available = torch.cuda.mem_get_info()[0] + torch.cuda.memory_allocated() - n_bytes
    width, height = given.size
    raise TooLargeError(
        f"{given.n_frames} frames of {width}x{height} do not fit into the GPU's memory "
        f"(stage {stage}: {reason}): {what_would_fit(available, given.n_frames, given.size)}",
        advice="choose that, or a smaller --vram",
    )
