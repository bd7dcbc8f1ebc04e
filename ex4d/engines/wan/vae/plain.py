"""The steps between the convolutions in plain PyTorch: on a CPU, and without Triton. `kernels.py`
does each of them in one pass over the memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["activate", "add", "normalise"]


def add(
    skip: Tensor | None,  # [B, T, H, W, C]
    update: Tensor,
    bias: Tensor,  # [C]
    rim: int,
) -> Tensor:  # [B, T, H + rim, W + rim, C]
    """Return skip + update + bias, and zeros below and to the right."""
    biased = update + bias
    total = biased if skip is None else skip + biased
    return functional.pad(total, (0, 0, 0, rim, 0, rim))


def normalise(frames: Tensor, gamma: Tensor) -> Tensor:  # float32, gamma [C]
    """RMS norm of the channels of every pixel (the public code's `RMS_norm`)."""
    unit = functional.normalize(frames.float(), dim=-1)
    return unit * (gamma.float() * len(gamma) ** 0.5)


def activate(
    total: Tensor,  # [B, T, H, W, C]
    gamma: Tensor,  # [C]
    before: Tensor,  # [B, 2, H, W, C], moved on
) -> Tensor:  # [B, 2 + T, H, W, C]
    """RMS norm and SiLU, behind the last two frames that came out of this step, and which are then
    the last two of these."""
    activated = functional.silu(normalise(total, gamma)).to(total.dtype)
    joined = torch.cat([before, activated], dim=1)
    before.copy_(joined[:, -before.shape[1] :])
    return joined
