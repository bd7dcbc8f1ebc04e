"""A clip in pieces: over time, and where memory is short over the picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from ex4d.engines.wan.windows import FRAMES_PER_LATENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

__all__ = ["Tile", "chunks", "tiles"]

_TILE_OVERLAP = 8  # latents
Tile = tuple[slice, slice, "Tensor"]  # rows, columns, blend weight [rows, columns]


def chunks(frames: slice) -> Iterator[slice]:
    """The frames of each latent: one, then four at a time."""
    yield slice(frames.start, frames.start + 1)
    for start in range(frames.start + 1, frames.stop, FRAMES_PER_LATENT):
        yield slice(start, start + FRAMES_PER_LATENT)


def tiles(height: int, width: int, tile: int | None) -> list[Tile]:
    """Cover a picture with overlapping tiles of a side, or one; the weights sum to one everywhere.
    All in latents."""
    parts = [_intervals(side, tile) for side in (height, width)]
    return [
        (rows, columns, row_weight[:, None] * column_weight)
        for rows, row_weight in parts[0]
        for columns, column_weight in parts[1]
    ]


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
