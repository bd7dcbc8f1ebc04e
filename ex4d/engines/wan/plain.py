"""The steps between a block's matrix products in plain PyTorch: on a CPU, without Triton, and
wherever gradients are computed. `kernels.py` does each of them in one pass over the memory.

All arithmetic is float32; results come in the format that is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["add_and_normalise", "attend", "normalise", "normalise_and_rotate"]


def add_and_normalise(
    tokens: Tensor,  # float32 [S, width]
    update: Tensor | None,  # [S, width]
    gate: Tensor | None,  # float32 [width]
    scale: Tensor,  # float32 [width]
    shift: Tensor,  # float32 [width]
    *,
    eps: float,
    dtype: torch.dtype,
) -> tuple[Tensor, Tensor]:
    """Return tokens + gate * update in float32, and its layer norm * scale + shift in `dtype`."""
    if update is not None:
        tokens = tokens + (update if gate is None else gate * update)
    normed = functional.layer_norm(tokens, tokens.shape[-1:], eps=eps)
    return tokens, torch.addcmul(shift, normed, scale).to(dtype)


def normalise(values: Tensor, weight: Tensor, *, eps: float) -> Tensor:  # float32 [S, width]
    """RMS norm over the whole width: all heads together."""
    values = values.float()
    return values * torch.rsqrt(values.square().mean(-1, keepdim=True) + eps) * weight.float()


def normalise_and_rotate(
    values: Tensor,  # [S, width]: queries or keys of all heads
    weight: Tensor,  # [width]
    cosines: Tensor,  # float32 [S, head / 2]
    sines: Tensor,
    *,
    eps: float,
) -> Tensor:  # [S, width], in the format of `values`
    """RMS norm, then the rotary embedding: each pair of a head's values is turned by the angle of
    its place."""
    pairs = normalise(values, weight, eps=eps).unflatten(-1, (-1, cosines.shape[-1], 2))
    first, second = pairs.unbind(-1)
    cosines, sines = cosines.unsqueeze(1), sines.unsqueeze(1)  # the same for all heads
    turned = (first * cosines - second * sines, first * sines + second * cosines)
    return torch.stack(turned, dim=-1).flatten(1).to(values.dtype)


def attend(queries: Tensor, keys: Tensor, values: Tensor, head_width: int) -> Tensor:
    """Attention of [S, width] queries to [L, width] keys and values, every head for itself."""

    def by_head(x: Tensor) -> Tensor:  # [1, heads, S, head], a view
        return x.unflatten(-1, (-1, head_width)).transpose(0, 1)[None]

    attended = functional.scaled_dot_product_attention(*map(by_head, (queries, keys, values)))
    return attended[0].transpose(0, 1).flatten(1)
