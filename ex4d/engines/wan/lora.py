"""EX-4D's low-rank changes on the transformer's linear layers: fused into them, or beside them.

    W x + alpha / rank * up (down x)      (LoRA, arXiv 2106.09685, equation 3: B = up, A = down)

The public EX-4D code puts them beside the layers with peft (`inject_adapter_in_model`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ex4d.engines.wan.block import Change

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from ex4d.engines.wan.block import Linear
    from ex4d.engines.wan.checkpoint import LoraPair

__all__ = ["add_beside", "add_change", "fuse"]


def fuse(
    weight: Tensor,  # [out, in]
    pair: LoraPair,
    *,
    alpha: float,
    device: torch.device | None = None,
) -> Tensor:  # float32 [out, in]
    """Return the weight with its change added, computed in float32 on `device`."""
    down = pair.down.load().to(device, torch.float32)
    up = pair.up.load().to(device, torch.float32)
    return torch.addmm(weight.to(device, torch.float32), up, down, alpha=alpha / pair.rank)


def add_beside(
    transformer: Any,
    pairs: Mapping[str, LoraPair],
    *,
    device: torch.device,
    dtype: torch.dtype,
    alpha: float,
) -> None:
    """Let the linear layers add their changes while they run; the weights stay as they are.

    Exact where the weights are coarser than float32, and slower. The changes stay on `device`.
    """
    for name, pair in pairs.items():
        down = pair.down.load().to(device, dtype)
        up = pair.up.load().to(device, dtype)
        layer = transformer.get_submodule(name.removesuffix(".weight"))
        add_change(layer, down, up, alpha / pair.rank)


def add_change(
    layer: Linear,
    down: Tensor,  # [rank, in]
    up: Tensor,  # [out, rank]
    scale: float,
) -> None:
    """Let a linear layer add `scale * up @ down` of its input to its output."""
    layer.change = Change(down, up, scale)
