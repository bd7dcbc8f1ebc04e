"""EX-4D's geometry encoder: the conditions' latents become something to add to the tokens.

The public EX-4D code's `CamVidEncoder` (`diffsynth/models/camera.py`), which encodes the videos
itself; here they come as latents. Its result, `ray_latent` there, is added in `transformer.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from ex4d.engines.wan.diffsynth import without_values
from ex4d.errors import WeightsError

if TYPE_CHECKING:
    from torch import Tensor

    from ex4d.engines.wan.weights import Shapes

__all__ = ["GeometryEncoder", "make_geometry_encoder"]


class GeometryEncoder(nn.Module):
    """Turns the latents of colour and mask into one vector for each token of the transformer.

    The names of its parts are those of the released checkpoint.
    """

    def __init__(
        self, latent_dim: int, hidden_dim: int, out_dim: int, patch_size: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.latent_encoder = nn.Sequential(
            nn.Conv3d(2 * latent_dim, hidden_dim, 1),
            nn.SiLU(),
            nn.Conv3d(hidden_dim, hidden_dim, 1),
            nn.SiLU(),
            nn.Conv3d(hidden_dim, hidden_dim, 1),
        )
        self.latent_patch_embedding = nn.Conv3d(hidden_dim, out_dim, patch_size, stride=patch_size)
        nn.init.zeros_(self.latent_patch_embedding.weight)  # training begins without any effect
        nn.init.zeros_(self.latent_patch_embedding.bias)

    def forward(
        self,
        color: Tensor,  # [B, C, T', H/8, W/8]
        mask: Tensor,  # [B, C, T', H/8, W/8], encoded from {-3, +1}
    ) -> Tensor:  # [B, dim, T', H/16, W/16]
        """Encode the latents of the conditions."""
        latents = torch.cat([color, mask], dim=1)
        encoded: Tensor = self.latent_patch_embedding(self.latent_encoder(latents))
        return encoded


def make_geometry_encoder(shapes: Shapes) -> GeometryEncoder:
    """Make an encoder of the sizes that its weights have, without values."""
    first = shapes.get("latent_encoder.0.weight", ())
    last = shapes.get("latent_patch_embedding.weight", ())
    if len(first) != 5 or len(last) != 5:
        name = "latent_encoder.0.weight" if len(first) != 5 else "latent_patch_embedding.weight"
        raise WeightsError(f"the checkpoint has no {name}: it is not EX-4D's")
    with without_values():
        return GeometryEncoder(first[1] // 2, first[0], last[0], last[2:])
