"""Rotary position embedding of a grid of tokens (RoFormer, arXiv 2104.09864, equation 34).

A head's pairs of values are shared out among time, rows and columns; a pair is turned by its place
along that axis, times a frequency. The public code keeps complex numbers (`freqs`); here are their
real and imaginary parts, computed in float64 and kept in float32.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ["Rotation", "rotation_of"]

_THETA = 10_000.0


class Rotation(NamedTuple):  # passes through autograd's and FSDP's trees of tensors
    """The angle of every token and pair."""

    cosines: Tensor  # float32 [S, head / 2]
    sines: Tensor


def rotation_of(grid: tuple[int, int, int], head_width: int, device: torch.device) -> Rotation:
    """The angles of a grid's tokens: frames, rows and columns, the last one fastest."""
    third = head_width // 3  # rounded down to pairs below, as the public code does
    widths = (head_width - 2 * third, third, third)
    parts = []
    for axis, (length, width) in enumerate(zip(grid, widths, strict=True)):
        exponents = torch.arange(0, width, 2, dtype=torch.float64)[: width // 2] / width
        angles = torch.outer(torch.arange(length, dtype=torch.float64), _THETA**-exponents)
        shape = [1, 1, 1, angles.shape[1]]
        shape[axis] = length
        parts.append(angles.view(shape).expand(*grid, -1))
    angles = torch.cat(parts, dim=-1).flatten(0, 2)
    return Rotation(
        angles.cos().to(device, torch.float32).contiguous(),
        angles.sin().to(device, torch.float32).contiguous(),
    )
