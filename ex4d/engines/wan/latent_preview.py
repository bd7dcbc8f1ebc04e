"""Pictures of latents without the VAE, for eyes that wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["LatentColors"]

_RIDGE = 1e-3  # keeps the fit tame where a clip has few colours


class LatentColors:
    """A linear map from a latent to a colour, fitted to the conditions of this very clip: their
    colours are known, and so are the latents they were encoded to."""

    def __init__(
        self,
        latents: Tensor,  # float32 [1, C, T', h, w]
        color: np.ndarray,  # uint8 [T', H, W, 3]: the last frame of each latent
    ) -> None:
        small = torch.from_numpy(np.ascontiguousarray(color)).permute(0, 3, 1, 2).float() / 255
        small = torch.nn.functional.adaptive_avg_pool2d(small, tuple(latents.shape[3:]))
        inputs = _with_one(latents[0].flatten(1).T.cpu().double())
        targets = small.permute(0, 2, 3, 1).reshape(-1, 3).double()
        squares = inputs.T @ inputs / len(inputs)
        squares += _RIDGE * torch.eye(len(squares), dtype=torch.float64)
        self._map = torch.linalg.solve(squares, inputs.T @ targets / len(inputs)).float()

    def draw(self, latents: Tensor) -> np.ndarray:
        """Draw latents [1, C, T', h, w] as pictures uint8 [T', h, w, 3]."""
        _, n_channels, *grid = latents.shape
        values = latents[0].reshape(n_channels, -1).T.cpu().float()
        colors = (_with_one(values) @ self._map).clamp(0, 1).reshape(*grid, 3)
        pictures: np.ndarray = (255 * colors + 0.5).to(torch.uint8).numpy()
        return pictures


def _with_one(values: Tensor) -> Tensor:
    return torch.cat([values, values.new_ones(len(values), 1)], dim=1)
