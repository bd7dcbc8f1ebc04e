"""Runs Wan's transformer: the velocity of noisy latents, steered by the conditions.

The parts of diffsynth's WanModel are called here one by one: what does not change between steps is
computed once, the geometry latent is added to the tokens, and both branches of the guidance go
through a block while it is on the GPU. As in the public code, linear layers and attention run in
bfloat16 on a GPU, and the tokens' sum, the time embedding and the head in float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from ex4d.engines.wan.library import import_diffsynth

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

__all__ = ["Conditioning", "TimeEmbedding", "Transformer", "autocast", "compute_dtype"]


@dataclass(frozen=True)
class Conditioning:
    """What the transformer gets besides noise, for one window of a clip."""

    first_frame: (
        Tensor  # [1, 20, T', h, w]: `y`, four channels of mask and the first frame's latent
    )
    geometry: Tensor | None  # [1, dim, T', h/2, w/2]
    image: Tensor  # [1, 257, dim], embedded


@dataclass(frozen=True)
class TimeEmbedding:
    """A timestep as the blocks and the head want it, float32."""

    head: Tensor  # [1, dim]
    blocks: Tensor  # [1, 6, dim]


def compute_dtype(device: torch.device) -> torch.dtype:
    """The format of the weights on a device."""
    return torch.bfloat16 if device.type == "cuda" else torch.float32


def autocast(device: torch.device) -> Any:
    """Run what is inside in bfloat16 on a GPU, and as it is elsewhere.

    Nothing rounded is kept: in training a block runs twice and must do the same each time.
    """
    is_gpu = device.type == "cuda"
    return torch.autocast(device.type, torch.bfloat16, enabled=is_gpu, cache_enabled=False)


class Transformer:
    """A WanModel on a device; its blocks come from `blocks`, ready to run."""

    def __init__(
        self, model: Any, blocks: Iterable[Any], device: torch.device, text_tokens: int
    ) -> None:
        self._model = model
        self._blocks = blocks
        self._device = device
        self._text_tokens = text_tokens
        self._time_table = import_diffsynth("models.wan_video_dit").sinusoidal_embedding_1d
        self._rotations: dict[tuple[int, ...], Tensor] = {}
        for part in (model.patch_embedding, model.text_embedding, model.img_emb):
            part.to(device)
        model.head.to(device, torch.float32)
        # A few timesteps for each clip: not worth 0.6 GB of the GPU.
        model.time_embedding.to("cpu", torch.float32)
        model.time_projection.to("cpu", torch.float32)

    @property
    def latent_channels(self) -> int:
        """How many channels the latents have."""
        return int(self._model.head.head.out_features // torch.Size(self.patch_size).numel())

    @property
    def n_blocks(self) -> int:
        """How many blocks the transformer has."""
        return len(self._model.blocks)

    @property
    def patch_size(self) -> tuple[int, int, int]:
        """How many latents make a token: along time, rows and columns."""
        frames, rows, columns = self._model.patch_size
        return frames, rows, columns

    @torch.no_grad()
    def embed_time(self, timestep: Tensor) -> TimeEmbedding:
        """Embed one timestep, float32 of 0 to 1000, in float32."""
        table = self._time_table(self._model.freq_dim, timestep.float().reshape(1).cpu())
        head = self._model.time_embedding(table)
        blocks = self._model.time_projection(head).unflatten(1, (6, self._model.dim))
        return TimeEmbedding(head.to(self._device), blocks.to(self._device))

    @torch.no_grad()
    def embed_text(self, context: Tensor) -> Tensor:
        """Embed an encoded prompt [L, text_dim]: [1, 512, dim]."""
        padded = context.new_zeros(1, self._text_tokens, context.shape[-1])
        padded[0, : len(context)] = context
        with autocast(self._device):
            embedded: Tensor = self._model.text_embedding(self._input(padded))
        return embedded

    @torch.no_grad()
    def embed_image(self, features: Tensor) -> Tensor:
        """Embed the image encoder's features [1, 257, 1280]: [1, 257, dim]."""
        with autocast(self._device):
            embedded: Tensor = self._model.img_emb(self._input(features))
        return embedded

    def velocities(
        self,
        latents: Tensor,  # float32 [1, C, T', h, w]
        time: TimeEmbedding,
        texts: Sequence[Tensor],  # of the branches of the guidance, embedded
        conditioning: Conditioning,
    ) -> list[Tensor]:  # float32 [1, C, T', h, w] for each text
        """Predict the velocity under each of the texts. Gradients reach the geometry latent, and
        what a block adds to its frozen weights, unless the caller turned them off."""
        model = self._model
        with autocast(self._device):
            stacked = torch.cat([latents, conditioning.first_frame.to(latents)], dim=1)
            patches = model.patch_embedding(self._input(stacked))
            if conditioning.geometry is not None:
                _check_grid(patches, conditioning.geometry)
                patches = patches + conditioning.geometry.to(patches.dtype)
            grid = tuple(patches.shape[2:])
            tokens = [patches.flatten(2).transpose(1, 2)] * len(texts)
            contexts = [torch.cat([conditioning.image, text], dim=1) for text in texts]
            rotation = self._rotation(grid)
            for block in self._blocks:
                for branch, context in enumerate(contexts):
                    tokens[branch] = block(tokens[branch], context, time.blocks, rotation)
        return [model.unpatchify(model.head(x.float(), time.head), grid) for x in tokens]

    def _input(self, tensor: Tensor) -> Tensor:
        return tensor.to(self._device, compute_dtype(self._device))

    def _rotation(self, grid: tuple[int, ...]) -> Tensor:
        """The rotary position embedding of a grid of tokens: complex [T' * h * w, 1, head / 2]."""
        if grid not in self._rotations:
            frames, rows, columns = grid
            by_frame, by_row, by_column = self._model.freqs
            parts = (
                by_frame[:frames].view(frames, 1, 1, -1).expand(*grid, -1),
                by_row[:rows].view(1, rows, 1, -1).expand(*grid, -1),
                by_column[:columns].view(1, 1, columns, -1).expand(*grid, -1),
            )
            table = torch.cat(parts, dim=-1).flatten(0, 2).unsqueeze(1)
            self._rotations = {grid: table.to(self._device)}
        return self._rotations[grid]


def _check_grid(patches: Tensor, geometry: Tensor) -> None:
    if patches.shape[1:] != geometry.shape[1:]:
        raise ValueError(f"tokens {tuple(patches.shape)}, geometry {tuple(geometry.shape)}")
