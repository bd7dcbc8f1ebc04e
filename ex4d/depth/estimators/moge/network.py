"""MoGe-2's network: from pictures to points up to a shift along the axis, and their scale."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ex4d.depth.estimators.moge.stacks import ConvStack
from ex4d.depth.estimators.moge.vit import VisionTransformer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MogeNetwork", "Points", "view_plane"]

_PATCH, _LEVELS = 14, 5
_REMAPS: dict[str, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "linear": lambda xy, z: (xy, z),
    "sinh": lambda xy, z: (torch.sinh(xy), torch.sinh(z)),
    "exp": lambda xy, z: (xy * torch.exp(z), torch.exp(z)),
    "sinh_exp": lambda xy, z: (torch.sinh(xy), torch.exp(z)),
}


class Points(NamedTuple):
    """What the network says of pictures."""

    xyz: Tensor  # [B, 3, H, W], z up to a summand
    finite: Tensor  # [B, H, W], 0 to 1: that there is something, and no sky
    scale_m: Tensor  # [B], metres of one unit


class MogeNetwork(nn.Module):
    """Made for a checkpoint's settings and the size of its transformer; its names are the
    checkpoint's. Raises KeyError and WeightsError for settings that it does not know."""

    def __init__(self, settings: dict[str, Any], width: int, n_layers: int) -> None:
        super().__init__()
        encoder, layers = settings["encoder"], settings["encoder"]["intermediate_layers"]
        is_last = isinstance(layers, int)
        self.layers = list(range(n_layers - layers, n_layers) if is_last else layers)
        self.n_tokens = int(settings["num_tokens_range"][1])  # the most: finest detail
        self.remap = _REMAPS[settings["remap_output"]]
        self.encoder = nn.Module()
        self.encoder.backbone = VisionTransformer(width, n_layers)
        self.encoder.output_projections = nn.ModuleList(
            nn.Conv2d(width, encoder["dim_out"], 1) for _ in self.layers
        )
        for name in ("image_mean", "image_std"):
            self.encoder.register_buffer(name, torch.zeros(1, 3, 1, 1))
        self.neck = ConvStack(settings["neck"])
        self.points_head = ConvStack(settings["points_head"])
        self.mask_head = ConvStack(settings["mask_head"])
        sizes = itertools.pairwise(settings["scale_head"]["dims"])
        linears = itertools.chain(*((nn.Linear(*size), nn.ReLU()) for size in sizes))
        self.scale_head = nn.Sequential(*list(linears)[:-1])

    def forward(self, pictures: Tensor) -> Points:
        """Look at pictures [B, 3, H, W], 0 to 1."""
        height, width = pictures.shape[-2:]
        aspect = width / height
        rows = round((self.n_tokens / aspect) ** 0.5)
        columns = round((self.n_tokens * aspect) ** 0.5)
        tokens, summary = self._encode(pictures, rows, columns)
        planes = (view_plane(columns << k, rows << k, aspect) for k in range(_LEVELS))
        inputs = [plane.to(tokens)[None].expand(len(tokens), -1, -1, -1) for plane in planes]
        inputs[0] = torch.cat([tokens, inputs[0]], dim=1)
        shared = self.neck(inputs)
        points, mask = (
            functional.interpolate(head(shared)[-1], (height, width), mode="bilinear")
            for head in (self.points_head, self.mask_head)
        )
        xy, z = self.remap(points[:, :2], points[:, 2:])
        scale = self.scale_head(summary).float().exp()[:, 0]
        return Points(torch.cat([xy, z], dim=1).float(), mask[:, 0].float().sigmoid(), scale)

    def _encode(self, pictures: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        size = (rows * _PATCH, columns * _PATCH)
        small = functional.interpolate(pictures, size, mode="bilinear", antialias=True)
        small = (small - self.encoder.image_mean) / self.encoder.image_std
        maps, summary = self.encoder.backbone(small, self.layers)
        mixes = zip(self.encoder.output_projections, maps, strict=True)
        return torch.stack([mix(part) for mix, part in mixes], dim=1).sum(dim=1), summary


def view_plane(width: int, height: int, aspect: float) -> Tensor:
    """Where each pixel is in the picture, in halves of its diagonal from the centre: [2, H, W]."""
    span_x, span_y = aspect / (1 + aspect**2) ** 0.5, 1 / (1 + aspect**2) ** 0.5
    x = torch.linspace(-span_x, span_x, 2 * width + 1)[1::2]
    y = torch.linspace(-span_y, span_y, 2 * height + 1)[1::2]
    return torch.stack(torch.meshgrid(x, y, indexing="xy"))
