"""The steps of Wan's video autoencoder, pixel by pixel in float64: RMS norm over channels, SiLU
(arXiv 1606.08415), and a convolution that sees no later frame."""

from __future__ import annotations

import torch

__all__ = ["activate", "convolve"]


def activate(total, gamma, before):
    """`before` and the activated frames [B, 2 + T, H, W, C], one behind the other."""
    batch, n_frames, height, width, channels = total.shape
    joined = torch.empty(batch, 2 + n_frames, height, width, channels, dtype=torch.float64)
    joined[:, :2] = before.double()
    for b, t, y, x in torch.cartesian_prod(*map(torch.arange, total.shape[:4])).tolist():
        pixel = total[b, t, y, x].double()
        normed = pixel / pixel.square().mean().sqrt() * gamma.double()
        joined[b, 2 + t, y, x] = normed / (1 + (-normed).exp())
    return joined


def convolve(joined, weight):
    """Each output pixel a sum over the 27 places around it, this frame and the two before it;
    beyond a frame's edges there is nothing."""
    batch, n_joined, height, width, _ = joined.shape
    output = torch.zeros(batch, n_joined - 2, height, width, len(weight), dtype=torch.float64)
    for b, t, y, x in torch.cartesian_prod(*map(torch.arange, output.shape[:4])).tolist():
        for dt, dy, dx in torch.cartesian_prod(*[torch.arange(3)] * 3).tolist():
            row, column = y + dy - 1, x + dx - 1
            if 0 <= row < height and 0 <= column < width:
                pixel = joined[b, t + dt, row, column].double()
                output[b, t, y, x] += weight[:, :, dt, dy, dx].double() @ pixel
    return output
