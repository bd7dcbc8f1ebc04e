"""Wan's video autoencoder, a few frames at a time.

It goes through a clip one latent after the other, four frames each, and remembers what it needs of
those before: at no time is a clip in memory as float, unless it is decoded in tiles, which needs
one to add them up in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ex4d.engines.wan.diffsynth import decoder_memory, encoder_memory
from ex4d.engines.wan.transformer import autocast, compute_dtype
from ex4d.engines.wan.windows import FRAMES_PER_LATENT, n_latents_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import Tensor

__all__ = ["VideoAutoencoder"]

_PX_PER_LATENT = 8
_TILE_OVERLAP = 8  # latents


class VideoAutoencoder:
    """A WanVideoVAE on a device; `tile_px` limits what it works on at once."""

    def __init__(self, model: Any, device: torch.device, tile_px: int | None = None) -> None:
        self._model = model.model
        self._mean, self._deviation = (t.view(1, -1, 1, 1, 1) for t in (model.mean, model.std))
        self._device = device
        self._tile = None if tile_px is None else tile_px // _PX_PER_LATENT

    def to(self, device: torch.device) -> None:
        """Bring the weights to a device, to work there or to rest."""
        self._model.to(device)

    @torch.no_grad()
    def encode(
        self,
        read: Callable[[slice], np.ndarray],  # frames to float32 [t, H, W, 3]
        frames: slice,  # 4 n + 1 of them
        size: tuple[int, int],  # width and height
        report: Callable[[int, int], None],
    ) -> Tensor:  # float32 [1, C, T', H/8, W/8]
        """Encode a part of a video; `report` gets the latents done and those in all."""
        width, height = size[0] // _PX_PER_LATENT, size[1] // _PX_PER_LATENT
        n_latents = n_latents_of(frames.stop - frames.start)
        tiles = self._tiles(height, width)
        result = None
        for number, (rows, columns, weight) in enumerate(tiles):
            part = [
                _PX_PER_LATENT * s for s in (rows.start, rows.stop, columns.start, columns.stop)
            ]

            def crop(chunk: slice, part: list[int] = part) -> np.ndarray:
                return read(chunk)[:, part[0] : part[1], part[2] : part[3]]

            def report_tile(done: int, before: int = number * n_latents) -> None:
                report(before + done, len(tiles) * n_latents)

            latents = self._encode_tile(crop, frames, report_tile)
            if result is None:
                result = latents.new_zeros(*latents.shape[:3], height, width)
            result[..., rows, columns] += weight.to(latents) * latents
        assert result is not None  # noqa: S101  (there is always a tile)
        return result

    def _encode_tile(
        self, read: Callable[[slice], np.ndarray], frames: slice, report: Callable[[int], None]
    ) -> Tensor:
        model, encoded = self._model, []
        dtype = compute_dtype(self._device)
        model.clear_cache()
        try:
            with autocast(self._device):
                for latent, chunk in enumerate(_chunks(frames)):
                    report(latent)
                    video = torch.from_numpy(read(chunk)).to(self._device, dtype)
                    encoded.append(
                        model.encoder(
                            video.permute(3, 0, 1, 2)[None],
                            feat_cache=encoder_memory(model),
                            feat_idx=[0],
                        )[0]
                    )
                mean = model.conv1(torch.cat(encoded, dim=2)).chunk(2, dim=1)[0]
        finally:
            model.clear_cache()  # gigabytes
        report(len(encoded))
        return (mean.float() - self._mean.to(mean.device)) / self._deviation.to(mean.device)

    @torch.no_grad()
    def decode(
        self,
        latents: Tensor,  # float32 [1, C, T', h, w]
        report: Callable[[int, int], None],
    ) -> np.ndarray:  # uint8 [T, 8 h, 8 w, 3]
        """Decode a clip; `report` gets the latents done and those in all."""
        n_latents, height, width = latents.shape[2:]
        tiles = self._tiles(height, width)
        n_frames = 1 + FRAMES_PER_LATENT * (n_latents - 1)
        frames = np.empty((n_frames, _PX_PER_LATENT * height, _PX_PER_LATENT * width, 3), np.uint8)
        if len(tiles) == 1:
            for done, (where, video) in enumerate(self._decoded(latents)):
                report(done, n_latents)
                frames[where] = _to_bytes(video).cpu().numpy()
            report(n_latents, n_latents)
            return frames
        total = torch.zeros(frames.shape)
        n_total = n_latents * len(tiles)
        for number, (rows, columns, weight) in enumerate(tiles):
            large = weight.repeat_interleave(_PX_PER_LATENT, 0)
            large = large.repeat_interleave(_PX_PER_LATENT, 1)[..., None]
            where_in_frame = tuple(
                slice(_PX_PER_LATENT * s.start, _PX_PER_LATENT * s.stop) for s in (rows, columns)
            )
            for done, (where, video) in enumerate(self._decoded(latents[..., rows, columns])):
                report(number * n_latents + done, n_total)
                total[(where, *where_in_frame)] += large * video.cpu()
        for frame, picture in zip(frames, total, strict=True):
            frame[:] = _to_bytes(picture).numpy()
        report(n_total, n_total)
        return frames

    def _decoded(self, latents: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """Which frames, and their colours float32 [t, H, W, 3], on the device."""
        model = self._model
        mean, deviation = self._mean.to(latents.device), self._deviation.to(latents.device)
        dtype = compute_dtype(self._device)
        model.clear_cache()
        try:
            with autocast(self._device):
                values = model.conv2((latents * deviation + mean).to(self._device, dtype))
                frames = 1 + FRAMES_PER_LATENT * (latents.shape[2] - 1)
                for number, chunk in enumerate(_chunks(slice(0, frames))):
                    video = model.decoder(
                        values[:, :, number : number + 1],
                        feat_cache=decoder_memory(model),
                        feat_idx=[0],
                    )[0]
                    yield chunk, video[0].permute(1, 2, 3, 0).float()
        finally:
            model.clear_cache()

    def _tiles(self, height: int, width: int) -> list[tuple[slice, slice, Tensor]]:
        """Rows, columns and blend weight [rows, columns] of every tile, in latents; the weights
        sum to one everywhere."""
        parts = [_intervals(side, self._tile) for side in (height, width)]
        return [
            (rows, columns, row_weight[:, None] * column_weight)
            for rows, row_weight in parts[0]
            for columns, column_weight in parts[1]
        ]


def _chunks(frames: slice) -> Iterator[slice]:
    """The frames of each latent: one, then four at a time."""
    yield slice(frames.start, frames.start + 1)
    for start in range(frames.start + 1, frames.stop, FRAMES_PER_LATENT):
        yield slice(start, start + FRAMES_PER_LATENT)


def _intervals(side: int, tile: int | None) -> list[tuple[slice, Tensor]]:
    """Cover a side with overlapping intervals, and their weights [n]."""
    if tile is None or side <= tile:
        return [(slice(0, side), torch.ones(side))]
    overlap = min(_TILE_OVERLAP, tile // 2)
    n_steps = -(-(side - tile) // (tile - overlap))
    starts = [round(step * (side - tile) / n_steps) for step in range(n_steps + 1)]
    ramp = torch.minimum(torch.arange(1, tile + 1), torch.arange(tile, 0, -1))
    total = torch.zeros(side)
    for start in starts:
        total[start : start + tile] += ramp.clamp(max=overlap)
    return [(slice(s, s + tile), ramp.clamp(max=overlap) / total[s : s + tile]) for s in starts]


def _to_bytes(video: Tensor) -> Tensor:
    return (video.clamp(-1, 1) * 127.5 + 128).to(torch.uint8)  # 127.5 + 0.5: rounded
