"""Wan's video autoencoder on a device, a few frames at a time.

It goes through a clip one latent after the other, four frames each, and remembers what it needs of
those before: at no time is a clip in memory as float, unless it is decoded in tiles, which needs
one to add them up in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from ex4d.engines.wan.transformer import compute_dtype
from ex4d.engines.wan.vae.tiling import chunks, tiles
from ex4d.engines.wan.windows import FRAMES_PER_LATENT, n_latents_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from ex4d.engines.wan.encoding import ReadFrames
    from ex4d.engines.wan.vae.layers import Past
    from ex4d.engines.wan.vae.model import WanVae
    from ex4d.engines.wan.vae.tiling import Tile

__all__ = ["VideoAutoencoder"]

_PX_PER_LATENT = 8
# Three videos of the size that the weights were trained at
_MOST_PIXELS = 3 * 512 * 512


class VideoAutoencoder:
    """A WanVae on a device. `tile_px` limits the side of what it works on at once, and
    `most_pixels` the pixels of a frame of all videos that are encoded together."""

    def __init__(
        self,
        model: WanVae,
        device: torch.device,
        tile_px: int | None = None,
        most_pixels: int = _MOST_PIXELS,
    ) -> None:
        self._model = model
        self._device = device
        self._most_pixels = most_pixels
        self._tile = None if tile_px is None else tile_px // _PX_PER_LATENT
        for parameter in model.parameters():  # all channels of a pixel beside each other
            if parameter.ndim == 5:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
            elif parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    def to(self, device: torch.device) -> None:
        """Bring the weights to a device, to work there or to rest."""
        self._model.to(device)

    @torch.no_grad()
    def encode(
        self,
        videos: Sequence[ReadFrames],
        frames: slice,  # 4 n + 1 of them
        size: tuple[int, int],  # width and height
        report: Callable[[int, int], None],
    ) -> Tensor:  # float32 [B, C, T', H/8, W/8]
        """Encode a part of videos of one size together, as many as the memory is made for; `report`
        gets the latents done and those in all."""
        width, height = size[0] // _PX_PER_LATENT, size[1] // _PX_PER_LATENT
        all_tiles = tiles(height, width, self._tile)
        largest = max(weight.numel() for *_, weight in all_tiles) * _PX_PER_LATENT**2
        n_at_once = max(1, self._most_pixels // largest)
        parts = [videos[i : i + n_at_once] for i in range(0, len(videos), n_at_once)]
        n_latents = n_latents_of(frames.stop - frames.start)
        n_total = n_latents * len(all_tiles) * len(parts)
        encoded = []
        for number, part in enumerate(parts):
            shape = (len(part), self._model.latent_channels, n_latents, height, width)
            latents = torch.zeros(shape, device=self._device)
            for of_tile, tile in enumerate(all_tiles):
                n_before = n_latents * (number * len(all_tiles) + of_tile)

                def told(done: int, before: int = n_before) -> None:
                    report(before + done, n_total)

                rows, columns, weight = tile
                made = self._encode_tile(part, frames, tile, told)
                latents[..., rows, columns] += weight.to(latents) * made
            encoded.append(latents)
        report(n_total, n_total)
        return torch.cat(encoded)

    def _encode_tile(
        self, videos: Sequence[ReadFrames], frames: slice, tile: Tile, report: Callable[[int], None]
    ) -> Tensor:
        rows, columns = (_pixels(side) for side in tile[:2])
        dtype, encoded = compute_dtype(self._device), []
        past: Past = {}  # gigabytes
        for latent, chunk in enumerate(chunks(frames)):
            report(latent)
            values = [read(chunk, self._device)[:, rows, columns] for read in videos]
            encoded.append(self._model.encode(torch.stack(values).to(dtype), past))
        mean, deviation = self._statistics()
        latents = (torch.cat(encoded, dim=1).float() - mean) / deviation
        return latents.permute(0, 4, 1, 2, 3)

    @torch.no_grad()
    def decode(
        self,
        latents: Tensor,  # float32 [1, C, T', h, w]
        report: Callable[[int, int], None],
    ) -> np.ndarray:  # uint8 [T, 8 h, 8 w, 3]
        """Decode a clip; `report` gets the latents done and those in all."""
        n_latents, height, width = latents.shape[2:]
        all_tiles = tiles(height, width, self._tile)
        n_total = n_latents * len(all_tiles)
        if len(all_tiles) == 1:
            pictures = []
            for done, video in enumerate(self._decoded(latents)):
                report(done, n_total)
                pictures.append(_to_bytes(video))  # they wait for each other at the end, once
            report(n_total, n_total)
            frames: np.ndarray = torch.cat(pictures).cpu().numpy()
            return frames
        n_frames = 1 + FRAMES_PER_LATENT * (n_latents - 1)
        parts = list(chunks(slice(0, n_frames)))
        total = torch.zeros(n_frames, _PX_PER_LATENT * height, _PX_PER_LATENT * width, 3)
        for number, (rows, columns, weight) in enumerate(all_tiles):
            large = weight.repeat_interleave(_PX_PER_LATENT, 0)
            large = large.repeat_interleave(_PX_PER_LATENT, 1)[..., None]
            place = _pixels(rows), _pixels(columns)
            videos = self._decoded(latents[..., rows, columns])
            for done, (chunk, video) in enumerate(zip(parts, videos, strict=True)):
                report(number * n_latents + done, n_total)
                total[(chunk, *place)] += large * video.cpu()
        frames = np.stack([_to_bytes(picture).numpy() for picture in total])
        report(n_total, n_total)
        return frames

    def _decoded(self, latents: Tensor) -> Iterator[Tensor]:
        """The colours float32 [t, H, W, 3] of one latent after the other, on the device."""
        mean, deviation = self._statistics()
        values = latents.to(self._device).permute(0, 2, 3, 4, 1) * deviation + mean
        past: Past = {}
        for latent in values.to(compute_dtype(self._device)).split(1, dim=1):
            yield self._model.decode(latent.contiguous(), past)[0].float()

    def _statistics(self) -> tuple[Tensor, Tensor]:
        return self._model.mean.to(self._device), self._model.deviation.to(self._device)


def _pixels(latents: slice) -> slice:
    return slice(_PX_PER_LATENT * latents.start, _PX_PER_LATENT * latents.stop)


def _to_bytes(video: Tensor) -> Tensor:
    return (video.clamp(-1, 1) * 127.5 + 128).to(torch.uint8)  # 127.5 + 0.5: rounded
