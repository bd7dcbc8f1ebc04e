"""DepthCrafter: from frames to affine disparity, the same scale over the whole clip."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ex4d.depth.estimators.base import Prediction, Report
from ex4d.depth.estimators.depthcrafter.windows import ClipLatents, Windows, denoise_clip
from ex4d.depth.estimators.pictures import (
    Normalisation,
    memory_errors,
    resized_frames,
    to_frame_size,
)

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DepthCrafter", "picture_size"]

_SEED = 42
_CHUNK = 8  # frames that go through the VAE and the image encoder at a time
_NOISE = 0.02  # on the clip, of its range -1 to 1
_FPS_ID, _MOTION_BUCKET = 7, 127
_EMBEDDED_PX = 224
_MULTIPLE, _LONGEST_PX = 64, 1024


@dataclass(frozen=True)
class DepthCrafter:
    """The models, ready on one device."""

    unet: Any
    vae: Any
    image_encoder: Any
    scheduler: Any
    normalisation: Normalisation  # of the image encoder's pictures
    device: torch.device
    windows: Windows = field(default_factory=Windows)

    @torch.inference_mode()
    def predict(self, frames: np.ndarray, report: Report) -> Prediction:
        """See Estimator. Disparity 0 to 1 over the clip."""
        n_frames, height, width = frames.shape[:3]
        size = picture_size((width, height))
        disparity = np.empty((n_frames, height, width), np.float32)
        with memory_errors("DepthCrafter", n_frames, (width, height)):
            latents = self._denoise(self._pictures(frames, size), report)
            for some, decoded in self._decode(latents):
                disparity[some] = to_frame_size(decoded, (width, height))
        least, most = float(disparity.min()), float(disparity.max())
        disparity = (disparity - least) / max(most - least, 1e-12)
        return Prediction(disparity, "affine", steady=True)

    def _pictures(self, frames: np.ndarray, size: tuple[int, int]) -> Tensor:
        """Frames uint8 [N, H, W, 3] as [N, 3, h, w], -1 to 1."""
        chunks = (frames[start : start + _CHUNK] for start in range(0, len(frames), _CHUNK))
        shown = (resized_frames(some, size, self.device) / 127.5 - 1 for some in chunks)
        return torch.cat([some.to(self.unet.dtype) for some in shown])

    def _denoise(self, pictures: Tensor, report: Report) -> Tensor:
        """The latents [N, C, h, w] of the disparity of pictures [N, 3, H, W], -1 to 1."""
        n_frames = len(pictures)
        generator = torch.Generator().manual_seed(_SEED)  # on the CPU: the same on every device
        time_ids = torch.tensor([[_FPS_ID, _MOTION_BUCKET, _NOISE]], dtype=self.unet.dtype)
        clip = ClipLatents(
            self._encode(pictures + _NOISE * self._random(pictures.shape, generator))[None],
            self._embed(pictures)[None],
            time_ids.to(self.device),
        )
        shape = (1, min(n_frames, self.windows.length), *clip.pictures.shape[2:])
        noise = self._random(shape, generator)
        return denoise_clip(
            self.unet,
            self.scheduler,
            clip,
            self.windows,
            noise,
            lambda done, total: report(done * n_frames // total, n_frames),
        )[0]

    def _random(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        drawn = torch.randn(shape, generator=generator, dtype=self.unet.dtype)
        return drawn.to(self.device)

    def _embed(self, pictures: Tensor) -> Tensor:
        """The image encoder's embedding [N, D] of each picture."""
        from diffusers.pipelines.stable_video_diffusion import (
            pipeline_stable_video_diffusion as library,
        )

        embeddings = []
        for some in pictures.split(_CHUNK):
            small = library._resize_with_antialiasing(some.float(), (_EMBEDDED_PX, _EMBEDDED_PX))
            seen = self.normalisation.apply((small + 1) / 2).to(some.dtype)
            embeddings.append(self.image_encoder(seen).image_embeds)
        return torch.cat(embeddings)

    def _encode(self, pictures: Tensor) -> Tensor:
        """The VAE's latents [N, C, h, w] of pictures; in fp32 where its weights ask for that."""
        dtype = self.vae.dtype
        if self.vae.config.force_upcast:
            _cast(self.vae, torch.float32)
        try:
            chunks = pictures.to(self.vae.dtype).split(_CHUNK)
            latents = torch.cat([self.vae.encode(some).latent_dist.mode() for some in chunks])
        finally:  # also for the next clip, when this one is too large
            _cast(self.vae, dtype)
        return latents.to(pictures.dtype)

    def _decode(self, latents: Tensor) -> Any:
        """Yield which frames, and their disparity [B, H, W]: the mean of the decoded colours."""
        latents = latents.to(self.vae.dtype) / self.vae.config.scaling_factor
        for start in range(0, len(latents), _CHUNK):
            some = latents[start : start + _CHUNK]
            decoded = self.vae.decode(some, num_frames=len(some)).sample.float()
            shown = (decoded / 2 + 0.5).clamp(0, 1)
            yield slice(start, start + len(some)), shown.mean(dim=1)


def _cast(model: Any, dtype: torch.dtype) -> None:
    """Change a model's format; diffusers' own `to` warns of layers that this one does not have."""
    torch.nn.Module.to(model, dtype)


def picture_size(size: tuple[int, int]) -> tuple[int, int]:
    """The (w, h) that frames of (W, H) are looked at: multiples of 64, 1024 at most."""
    scale = min(1.0, _LONGEST_PX / max(size))
    width, height = (max(1, round(side * scale / _MULTIPLE)) * _MULTIPLE for side in size)
    return width, height
