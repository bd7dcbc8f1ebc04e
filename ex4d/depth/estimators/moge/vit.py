"""DINOv2's vision transformer (arXiv 2304.07193), with the names that its weights have."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["VisionTransformer"]

_PATCH = 14
_HEAD_WIDTH = 64  # in all its sizes
_POSITIONS = 37  # along each side, that positions were learned for
_OFFSET = 0.1  # of patches, added when positions are resized, as when the weights were trained


class VisionTransformer(nn.Module):
    """Pictures to the tokens of some of its layers."""

    def __init__(self, width: int, n_layers: int) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.zeros(1, _POSITIONS**2 + 1, width))
        self.mask_token = nn.Parameter(torch.zeros(1, width))  # of its training
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(3, width, _PATCH, _PATCH)
        self.blocks = nn.ModuleList(_Block(width) for _ in range(n_layers))
        self.norm = nn.LayerNorm(width, eps=1e-6)

    def forward(self, pictures: Tensor, layers: list[int]) -> tuple[list[Tensor], Tensor]:
        """Look at normalised pictures [B, 3, 14 h, 14 w]: the patch tokens [B, C, h, w] after each
        of `layers`, and the class token [B, C] after the last of them."""
        patches = self.patch_embed.proj(pictures)
        shape = patches.shape[-2:]
        tokens = patches.flatten(2).transpose(1, 2)
        tokens = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
        tokens = tokens + self._positions(shape[0], shape[1])
        maps, summary = [], tokens[:, 0]
        for number, block in enumerate(self.blocks):
            tokens = block(tokens)
            if number in layers:
                normed = self.norm(tokens)
                maps.append(normed[:, 1:].transpose(1, 2).unflatten(2, shape))
                summary = normed[:, 0]
        return maps, summary

    def _positions(self, rows: int, columns: int) -> Tensor:
        """The embedding [1, 1 + rows * columns, C] of each token's place."""
        if (rows, columns) == (_POSITIONS, _POSITIONS):
            return self.pos_embed
        first, places = self.pos_embed[:, :1], self.pos_embed[:, 1:]
        grid = places.transpose(1, 2).unflatten(2, (_POSITIONS, _POSITIONS))
        scale = ((rows + _OFFSET) / _POSITIONS, (columns + _OFFSET) / _POSITIONS)
        grid = functional.interpolate(grid.float(), scale_factor=scale, mode="bicubic")
        return torch.cat([first, grid.flatten(2).transpose(1, 2).to(first.dtype)], dim=1)


class _Block(nn.Module):
    """One layer: attention and a perceptron, each scaled and added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.n_heads = width // _HEAD_WIDTH
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = nn.Module()
        self.attn.qkv = nn.Linear(width, 3 * width)
        self.attn.proj = nn.Linear(width, width)
        self.ls1 = _Scale(width)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Module()
        self.mlp.fc1 = nn.Linear(width, 4 * width)
        self.mlp.fc2 = nn.Linear(4 * width, width)
        self.ls2 = _Scale(width)

    def forward(self, tokens: Tensor) -> Tensor:
        qkv = self.attn.qkv(self.norm1(tokens)).unflatten(2, (3, self.n_heads, -1))
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.ls1(self.attn.proj(attended.transpose(1, 2).flatten(2)))
        hidden = functional.gelu(self.mlp.fc1(self.norm2(tokens)))
        scaled: Tensor = tokens + self.ls2(self.mlp.fc2(hidden))
        return scaled


class _Scale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(width))

    def forward(self, tokens: Tensor) -> Tensor:
        return tokens * self.gamma
