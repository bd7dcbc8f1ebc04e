"""Wan's video autoencoder (the public code's `VideoVAE_`), with the names of its weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from ex4d.engines.wan.vae.layers import (
    Attention,
    CausalConv,
    Downsample,
    Head,
    PointConv,
    Residual,
    Upsample,
)
from ex4d.engines.wan.vae.steps import Stream

if TYPE_CHECKING:
    from torch import Tensor

    from ex4d.engines.wan.vae.layers import Past

__all__ = ["WanVae"]

_WIDTHS = (1, 2, 4, 4)  # of the four sizes, times the first one's
# Of Wan2.1's latents, as published with the weights
_MEAN = (
    -0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
    0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921,
)  # fmt: skip
_DEVIATION = (
    2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
    3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160,
)  # fmt: skip


class WanVae(nn.Module):
    """The parts; `autoencoder.py` runs them. Frames are [B, T, H, W, C]."""

    def __init__(self, dim: int = 96, latent_channels: int = 16, n_residuals: int = 2) -> None:
        super().__init__()
        self.encoder = _Encoder(dim, 2 * latent_channels, n_residuals)
        self.conv1 = PointConv(2 * latent_channels, 2 * latent_channels, 1, 1, 1)
        self.conv2 = PointConv(latent_channels, latent_channels, 1, 1, 1)
        self.decoder = _Decoder(dim, latent_channels, n_residuals)
        # Those of one that is not of Wan's own size are taken as they are.
        is_wans = (dim, latent_channels, n_residuals) == (96, 16, 2)
        self.mean = torch.tensor(_MEAN if is_wans else [0.0] * latent_channels)
        self.deviation = torch.tensor(_DEVIATION if is_wans else [1.0] * latent_channels)

    @property
    def latent_channels(self) -> int:
        """How many channels the latents have."""
        return len(self.mean)

    def encode(self, frames: Tensor, past: Past) -> Tensor:  # 1 or 4 n frames -> 1 or n latents
        """Encode the next frames of a clip: a mean, and a deviation that nobody uses."""
        moments: Tensor = self.encoder(frames, past)
        return self.conv1(moments).chunk(2, dim=-1)[0]

    def decode(self, latents: Tensor, past: Past) -> Tensor:  # 1 or n latents -> 1 or 4 n frames
        """Decode the next latents of a clip; the first one alone."""
        frames: Tensor = self.decoder(self.conv2(latents), past)
        return frames


class _Encoder(nn.Module):
    """From large and narrow to small and wide (`Encoder3d`)."""

    def __init__(self, dim: int, n_out: int, n_residuals: int) -> None:
        super().__init__()
        widths = [dim * factor for factor in _WIDTHS]
        self.conv1 = CausalConv(3, dim, 3, 3, 3)
        layers: list[nn.Module] = []
        for size, width in enumerate(widths):
            before = widths[max(0, size - 1)]
            layers.append(Residual(before, width))
            layers += [Residual(width, width) for _ in range(n_residuals - 1)]
            if size + 1 < len(widths):
                layers.append(Downsample(width, in_time=size > 0))
        self.downsamples = nn.ModuleList(layers)
        self.middle = _make_middle(widths[-1])
        self.head = Head(widths[-1], n_out)

    def forward(self, frames: Tensor, past: Past) -> Tensor:
        stream = Stream(None, self.conv1(self.conv1.joined(frames, past)), self.conv1.bias)
        for layer in (*self.downsamples, *self.middle):
            stream = layer(stream, past)
        made: Tensor = self.head(stream, past)
        return made


class _Decoder(nn.Module):
    """From small and wide to large and narrow (`Decoder3d`)."""

    def __init__(self, dim: int, n_in: int, n_residuals: int) -> None:
        super().__init__()
        widths = [dim * factor for factor in reversed(_WIDTHS)]
        self.conv1 = CausalConv(n_in, widths[0], 3, 3, 3)
        self.middle = _make_middle(widths[0])
        layers: list[nn.Module] = []
        for size, width in enumerate(widths):
            before = widths[size - 1] // 2 if size else width
            layers.append(Residual(before, width))
            layers += [Residual(width, width) for _ in range(n_residuals)]
            if size + 1 < len(widths):
                layers.append(Upsample(width, in_time=size < 2))
        self.upsamples = nn.ModuleList(layers)
        self.head = Head(widths[-1], 3)

    def forward(self, latents: Tensor, past: Past) -> Tensor:
        stream = Stream(None, self.conv1(self.conv1.joined(latents, past)), self.conv1.bias)
        for layer in (*self.middle, *self.upsamples):
            stream = layer(stream, past)
        made: Tensor = self.head(stream, past)
        return made


def _make_middle(width: int) -> nn.ModuleList:
    return nn.ModuleList([Residual(width, width), Attention(width), Residual(width, width)])
