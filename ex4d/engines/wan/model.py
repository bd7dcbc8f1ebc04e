"""Wan2.1's image-to-video transformer as modules, with the names of its published weights.

The public code (`wan_video_dit.WanModel`) calls the parts `patch_embedding`, `text_embedding`,
`img_emb`, `time_embedding`, `time_projection`, `blocks` and `head`; so do the weights. Its
`MLPProj` (in diffsynth `MLP`) is `_ImageEmbedding` here, its `Head` `_Head`, its `unpatchify`
`latents`, its `sinusoidal_embedding_1d` `time_table` (Attention Is All You Need, arXiv 1706.03762,
section 3.5).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ex4d.engines.wan.block import EPS, Block, Stream
from ex4d.engines.wan.fused import add_and_normalise

__all__ = ["Sizes", "WanTransformer", "time_table"]

_IMAGE_WIDTH = 1280  # of the image encoder's features


@dataclass(frozen=True)
class Sizes:
    """What distinguishes one transformer from another; Wan2.1-I2V-14B's own if not given."""

    dim: int = 5120
    in_dim: int = 36
    ffn_dim: int = 13824
    out_dim: int = 16
    text_dim: int = 4096
    freq_dim: int = 256
    patch_size: tuple[int, int, int] = (1, 2, 2)
    num_heads: int = 40
    num_layers: int = 40


class WanTransformer(nn.Module):
    """The parts; `transformer.py` runs them."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        dim = sizes.dim
        self.sizes = sizes
        self.head_width = dim // sizes.num_heads
        self.patch_embedding = nn.Conv3d(sizes.in_dim, dim, sizes.patch_size, sizes.patch_size)
        self.text_embedding = nn.Sequential(
            nn.Linear(sizes.text_dim, dim), nn.GELU(approximate="tanh"), nn.Linear(dim, dim)
        )
        self.time_embedding = nn.Sequential(
            nn.Linear(sizes.freq_dim, dim), nn.SiLU(), nn.Linear(dim, dim)
        )
        self.time_projection = nn.Sequential(nn.SiLU(), nn.Linear(dim, 6 * dim))
        self.img_emb = _ImageEmbedding(dim)
        self.blocks = nn.ModuleList(
            Block(dim, sizes.ffn_dim, self.head_width) for _ in range(sizes.num_layers)
        )
        self.head = _Head(dim, sizes.out_dim * math.prod(sizes.patch_size))

    def tokens(self, latents: Tensor) -> Tensor:  # [1, in_dim, T', h, w] -> [S, dim]
        """The patch embedding as a matrix product, whose tokens lie one after the other."""
        frames, rows, columns = self.grid(latents)
        patch = self.sizes.patch_size
        patches = latents[0].unflatten(3, (columns, patch[2])).unflatten(2, (rows, patch[1]))
        patches = patches.unflatten(1, (frames, patch[0])).permute(1, 3, 5, 0, 2, 4, 6)
        weight = self.patch_embedding.weight.flatten(1)
        flat = patches.reshape(frames * rows * columns, weight.shape[1])
        embedded: Tensor = nn.functional.linear(flat, weight, self.patch_embedding.bias)
        return embedded

    def latents(self, patches: Tensor, grid: tuple[int, int, int]) -> Tensor:
        """Put what the head made [S, patch * C] back in place [1, C, T', h, w] (`unpatchify`)."""
        by_patch = patches.view(*grid, *self.sizes.patch_size, -1)
        together = by_patch.permute(6, 0, 3, 1, 4, 2, 5)
        return together.flatten(5, 6).flatten(3, 4).flatten(1, 2)[None]

    def grid(self, latents: Tensor) -> tuple[int, int, int]:
        """How many tokens latents [1, C, T', h, w] make: along time, rows and columns."""
        patch = self.sizes.patch_size
        frames, rows, columns = (n // p for n, p in zip(latents.shape[2:], patch, strict=True))
        return frames, rows, columns


class _ImageEmbedding(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(
            nn.LayerNorm(_IMAGE_WIDTH),
            nn.Linear(_IMAGE_WIDTH, _IMAGE_WIDTH),
            nn.GELU(),
            nn.Linear(_IMAGE_WIDTH, dim),
            nn.LayerNorm(dim),
        )

    def forward(self, features: Tensor) -> Tensor:
        embedded: Tensor = self.proj(features)
        return embedded


class _Head(nn.Module):
    """From tokens to the values of their patches, in float32."""

    def __init__(self, dim: int, out_width: int) -> None:
        super().__init__()
        self.modulation = nn.Parameter(torch.zeros(1, 2, dim))
        self.head = nn.Linear(dim, out_width)

    def forward(self, stream: Stream, time: Tensor) -> Tensor:  # time: float32 [1, dim]
        """[S, out_width]."""
        shift, scale = self.modulation[0] + time
        dtype = self.head.weight.dtype
        _, normed = add_and_normalise(*stream, 1 + scale, shift, eps=EPS, dtype=dtype)
        output: Tensor = self.head(normed)
        return output


def time_table(width: int, timesteps: Tensor) -> Tensor:  # [n] -> float32 [n, width]
    """Cosines and sines of timesteps, float32 of 0 to 1000 (`sinusoidal_embedding_1d`)."""
    half = torch.arange(width // 2, dtype=torch.float64)
    angles = torch.outer(timesteps.double(), 10_000.0 ** -(half / (width // 2)))
    return torch.cat([angles.cos(), angles.sin()], dim=1).float()
